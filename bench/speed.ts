/**
 * `npm run bench:speed`: compares two workers of ours with two of `uvicorn --workers`, with the defaults of each, in
 * interleaved rounds of one run: first visits, replayed and in Chromium, and the API calls of a page. Exits with 1 if a
 * figure misses its limit.
 */
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Scope } from '../src/base/io/scope.ts';
import { cpuMs } from '../src/base/machine/process-cpu.ts';
import { readMemory } from '../src/base/machine/process-memory.ts';
import { MIB } from '../src/base/units.ts';
import { OpenWebui } from '../src/bench/client/open-webui.ts';
import { type Limit, load as loadAs } from '../src/bench/contest/load.ts';
import { summarize } from '../src/bench/contest/statistics.ts';
import { apiCalls, type RecordedRequest, readRecording } from '../src/bench/contest/visits.ts';
import { type Cluster, startCluster } from '../test/kit/cluster.ts';
import { startServices } from '../test/kit/services.ts';
import { type Stock, seedDatabase, startStock } from '../test/kit/stock.ts';
import { fillAccount, WARM_UP_REQUESTS } from './account.ts';
import { type Figure, isMissed, renderTable } from './statistics.ts';
import { startBrowser, visitLogin } from './visits/browser.ts';
import { replay } from './visits/replay.ts';

const WORKERS = 2;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 6);

/** How long idle workers are watched, in milliseconds. */
const IDLE_MS = 4_000;

interface Server {
  name: 'ours' | 'uvicorn';
  url: string;
  ui: OpenWebui;
  userId: string;
  workers(): { pid: number }[];
}

const recording = readRecording();
const samples = new Map<string, number[]>();

function note(what: string, server: Server, value: number): void {
  const key = `${server.name}: ${what}`;
  samples.set(key, [...(samples.get(key) ?? []), value]);
}

const of = (name: Server['name'], what: string) => samples.get(`${name}: ${what}`) ?? [];

const load = (server: Server, requests: readonly RecordedRequest[], limit: Limit) =>
  loadAs(server, requests, server.ui.headers, limit);

async function measure(server: Server, what: string, requests: readonly RecordedRequest[]): Promise<void> {
  const { perSecond, p99Ms, cpuMs: cpu } = await load(server, requests, { duration: SECONDS });
  note(`${what}, a second`, server, perSecond);
  note(`${what}, p99`, server, p99Ms);
  note(`${what}, worker CPU`, server, cpu);
}

/** Worker CPU time of idle workers, per unit of time: timers of the app, and ours. */
async function idleShare(server: Server): Promise<number> {
  const before = cpuMs(server.workers());
  const begun = performance.now();
  await sleep(IDLE_MS);
  return (cpuMs(server.workers()) - before) / (performance.now() - begun);
}

async function prepare(name: Server['name'], running: Cluster | Stock, ui: OpenWebui): Promise<Server> {
  const userId = await fillAccount(ui);
  const workers = () => ('pm2' in running ? running.pythonWorkers() : running.workers());
  return { name, url: running.url, ui, userId, workers };
}

const scope = new Scope();
try {
  const [theirs, own] = [await startServices(scope), await startServices(scope)];
  await seedDatabase(theirs, { embeddings: 'remote' });
  const stock = await startStock(scope, theirs, { workers: WORKERS, embeddings: 'remote' });
  const cluster = await startCluster(scope, { workers: WORKERS, services: own });
  const servers = [
    await prepare('uvicorn', stock, await OpenWebui.signIn(stock.url, theirs.admin)),
    await prepare('ours', cluster, await OpenWebui.signIn(cluster.url, own.admin)),
  ];
  const browser = await startBrowser(scope);
  const calls = new Map(servers.map((server) => [server, apiCalls(recording, server.userId)]));
  console.error(
    `a visit: ${recording.first.length} requests; API: ${calls.get(servers[0] as Server)?.length} calls`,
  );
  for (const server of servers) {
    await replay(server.url, recording.first);
    await load(server, calls.get(server) ?? [], { amount: WARM_UP_REQUESTS });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const server of round % 2 ? servers : [...servers].reverse()) {
      await measure(server, 'visit', recording.first);
      await measure(server, 'API', calls.get(server) ?? []);
      const timers = await idleShare(server);
      const context = await browser.newContext();
      const before = cpuMs(server.workers());
      const begun = performance.now();
      note('Chromium until the login form', server, await visitLogin(context, server.url));
      const spent = cpuMs(server.workers()) - before;
      note('Chromium, worker CPU', server, spent);
      note('Chromium, worker CPU without timers', server, spent - timers * (performance.now() - begun));
      await context.close();
    }
    console.error(`round ${round + 1} of ${ROUNDS}`);
  }
  const private_ = cluster.pythonWorkers().map(({ pid }) => readMemory(pid).private / MIB);

  const visit = recording.first.length;
  const figures: Figure[] = (['uvicorn', 'ours'] as const).flatMap((name) => {
    const each = (what: string, factor = 1) => of(name, what).map((value) => value * factor);
    const ours = name === 'ours';
    return [
      { what: `${name}: first visits`, unit: '1/s', samples: each('visit, a second', 1 / visit) },
      {
        what: `${name}: worker CPU of a visit`,
        unit: 'ms',
        samples: each('visit, worker CPU', visit),
        ...(ours && { limit: 150 }),
      },
      {
        what: `${name}: Chromium until the login form`,
        unit: 'ms',
        samples: each('Chromium until the login form'),
      },
      {
        what: `${name}: worker CPU of the seconds of a visit in Chromium`,
        unit: 'ms',
        samples: each('Chromium, worker CPU'),
      },
      {
        what: `${name}: worker CPU of a visit in Chromium, without what idle workers use`,
        unit: 'ms',
        samples: each('Chromium, worker CPU without timers'),
        ...(ours && { limit: 150 }),
      },
      { what: `${name}: API calls`, unit: '1/s', samples: each('API, a second') },
      { what: `${name}: API calls, p99`, unit: 'ms', samples: each('API, p99') },
      { what: `${name}: worker CPU of an API call`, unit: 'ms', samples: each('API, worker CPU') },
    ];
  });
  figures.push({ what: 'ours: private memory of a worker', unit: 'MiB', samples: private_ });
  console.log(
    `\n${WORKERS} workers each, ${cpus().length} × ${cpus()[0]?.model}\n\n${renderTable(figures)}\n`,
  );
  const times = (what: string) => summarize(of('ours', what)).median / summarize(of('uvicorn', what)).median;
  const visits = times('visit, a second');
  const api = times('API, a second');
  const p99 = times('API, p99');
  console.log(
    `first visits: ${visits.toFixed(1)} × (must be 5); API calls: ${api.toFixed(2)} × (1.25), p99 ${p99.toFixed(2)} × (1)`,
  );
  if (visits < 5 || api < 1.25 || p99 > 1 || figures.some(isMissed)) process.exitCode = 1;
} finally {
  await scope.close();
}
