/**
 * `npm run bench:streams [-- FLAG…]`: what a streamed token costs. Two workers of ours as they are planned, two with each
 * FLAG (such as `--no-shortcuts`) and two of `uvicorn --workers` with the same settings, in interleaved rounds: chats
 * whose pages hold a WebSocket each, at 50 tokens a second. Ends with 1 where a figure misses what must hold.
 */
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Scope } from '../src/base/io/scope.ts';
import { cpuMs } from '../src/base/machine/process-cpu.ts';
import { type ChatEvent, OpenWebui, type PageSocket } from '../src/bench/client/open-webui.ts';
import { percentile, summarize } from '../src/bench/contest/statistics.ts';
import { wholeAnswer } from '../src/bench/scratch/upstream.ts';
import { planOf, startCluster } from '../test/kit/cluster.ts';
import { type Services, startServices } from '../test/kit/services.ts';
import { seedDatabase, startStock } from '../test/kit/stock.ts';
import { type Figure, renderTable } from './statistics.ts';

const WORKERS = 2;
const CHATS = Number(process.env.BENCH_CHATS ?? 20);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 6);

/** Between two tokens: 50 a second. */
const PAUSE_MS = 20;

/** For how long a chat is watched neither at its beginning nor at its end. */
const EDGE_MS = 1_500;

/** Of uvicorn’s. */
const LARGEST_SHARE = 0.4;

/** The readers are users, who see no model that nobody has shared with them. */
const FOR_USERS = { BYPASS_MODEL_ACCESS_CONTROL: 'true' };

const UVICORN = 'uvicorn';
const OURS = 'as planned';

interface Reader {
  ui: OpenWebui;
  page: PageSocket;
}

interface Server {
  name: string;
  services: Services;
  readers: Reader[];
  workers(): { pid: number }[];
}

const scope = new Scope();
const samples = new Map<string, number[]>();

function note(what: string, server: Server, ...values: number[]): void {
  const key = `${what}: ${server.name}`;
  samples.set(key, [...(samples.get(key) ?? []), ...values]);
}

const of = (what: string, name: string) => samples.get(`${what}: ${name}`) ?? [];

async function makeReaders(url: string, { admin }: Services): Promise<Reader[]> {
  const administrator = await OpenWebui.signIn(url, admin);
  const readers: Reader[] = [];
  for (let index = 0; index < CHATS; index++) {
    const ui = await administrator.addUser(`reader${index}`);
    readers.push({ ui, page: await ui.connectSocket(scope) });
  }
  return readers;
}

/** One answer to each reader at the same time; the workers' CPU in the middle of them, divided by what was read. */
async function round(server: Server, number: number): Promise<void> {
  const { services, readers } = server;
  const pace = { tokens: Math.round((SECONDS * 1000 + 2 * EDGE_MS) / PAUSE_MS), pauseMs: PAUSE_MS };
  services.upstream.pace = pace;
  let events = 0;
  const count = (event: ChatEvent) => {
    if (event.data.type === 'response:completion') events++;
  };
  for (const { page } of readers) page.socket.on('events', count);
  const answers = readers.map(async ({ ui, page }, index) => {
    const prompt = `round${number}reader${index}`;
    const answer = await ui.chat(page, prompt);
    if (answer.text !== wholeAnswer(prompt, pace))
      throw new Error(`${server.name}: broken answer to ${prompt}`);
    return answer;
  });
  const all = Promise.all(answers);
  await Promise.race([sleep(EDGE_MS), all]);
  const before = { cpu: cpuMs(server.workers()), tokens: services.upstream.tokens, events };
  await Promise.race([sleep(SECONDS * 1000), all]);
  const tokens = services.upstream.tokens - before.tokens;
  note('worker CPU a token', server, (cpuMs(server.workers()) - before.cpu) / tokens);
  note('tokens an event', server, tokens / (events - before.events));
  note('first words', server, ...(await all).map(({ firstMs }) => firstMs));
  for (const { page } of readers) page.socket.off('events', count);
}

try {
  const servers: Server[] = [];
  let settings: Record<string, string> = {};
  const names = [OURS, ...process.argv.slice(2)];
  for (const name of names) {
    const services = await startServices(scope);
    const [, key = '', value = ''] = /^@(\w+)=(.*)$/.exec(name) ?? [];
    const cluster = await startCluster(scope, {
      workers: WORKERS,
      services,
      settings: FOR_USERS,
      ...(name.startsWith('--') && { args: [name] }),
      ...(key !== '' && { environment: { [key]: value } }),
    });
    if (name === OURS) {
      const plan = await planOf(cluster);
      // Whether uvicorn's workers have started is told by lines of their log that are not warnings.
      const planned = plan.settings.filter(({ key }) => key !== 'GLOBAL_LOG_LEVEL');
      settings = Object.fromEntries(
        planned.flatMap(({ key, value }) => (value === undefined ? [] : [[key, value]])),
      );
    }
    const readers = await makeReaders(cluster.url, services);
    servers.push({ name, services, readers, workers: () => cluster.pythonWorkers() });
    console.error(`${name}: serves`);
  }
  const services = await startServices(scope);
  await seedDatabase(services, { embeddings: 'remote' });
  const stock = await startStock(scope, services, {
    workers: WORKERS,
    embeddings: 'remote',
    settings: { ...settings, ...FOR_USERS },
  });
  const readers = await makeReaders(stock.url, services);
  servers.push({ name: UVICORN, services, readers, workers: () => stock.workers() });

  for (let number = 0; number < ROUNDS; number++) {
    for (const server of number % 2 ? [...servers].reverse() : servers) await round(server, number);
    console.error(`round ${number + 1} of ${ROUNDS}`);
  }
  const figures: Figure[] = servers.flatMap(({ name }) => [
    { what: `worker CPU a token: ${name}`, unit: 'ms', samples: of('worker CPU a token', name) },
    { what: `tokens an event: ${name}`, unit: '', samples: of('tokens an event', name) },
    { what: `first words: ${name}`, unit: 'ms', samples: of('first words', name) },
    { what: `first words, p99: ${name}`, unit: 'ms', samples: [percentile(of('first words', name), 0.99)] },
  ]);
  figures.sort((a, b) => a.what.localeCompare(b.what));
  console.log(
    `\n${WORKERS} workers each, ${CHATS} chats, ${cpus().length} × ${cpus()[0]?.model}\n\n${renderTable(figures)}\n`,
  );
  const median = (name: string) => summarize(of('worker CPU a token', name)).median;
  const share = median(OURS) / median(UVICORN);
  console.log(`worker CPU a token: ${share.toFixed(2)} of uvicorn's (must be ${LARGEST_SHARE})`);
  if (share > LARGEST_SHARE) process.exitCode = 1;
} finally {
  await scope.close();
}
