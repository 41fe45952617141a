/** One life of a contender: started on a fresh copy of the database, asked, measured, disturbed, ended. */
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { LOOPBACK } from '../../base/io/address.ts';
import { freePort } from '../../base/io/port.ts';
import { Scope } from '../../base/io/scope.ts';
import { killAll, signal } from '../../base/io/started.ts';
import { sumMemory } from '../../base/machine/process-memory.ts';
import { isAlive, type ProcessInfo } from '../../base/machine/process-table.ts';
import { MIB } from '../../base/units.ts';
import { startLoad } from '../client/load.ts';
import { OpenWebui } from '../client/open-webui.ts';
import type { Upstream } from '../scratch/upstream.ts';
import type { Contender } from './contenders.ts';
import { documents } from './documents.ts';
import type { Figures } from './figures.ts';
import { CONNECTIONS, chats, load } from './load.ts';
import { type Replacement, type Server, untilAnswered, untilReloaded } from './server.ts';
import type { Stage } from './stage.ts';
import { streams } from './streams.ts';
import type { RecordedRequest } from './visits.ts';

/** Imports of the app, one after another: each takes 14 s on a quiet machine, and minutes on a busy one. */
const START_TIMEOUT_MS = 400_000;
const RELOAD_TIMEOUT_MS = 300_000;
const RECOVER_TIMEOUT_MS = 300_000;

/** Ours takes some 400 ms. */
const RECOVER_POLL_MS = 15;

/** Answers before a reload begins, and after it. */
const AROUND_RELOAD = 100;

/** Requests per connection before the measurement, for what a worker does only once. */
const WARM_UP = 30;

export interface Round {
  seconds: number;
  /** Whether streams and documents are also measured, and workers replaced and killed. */
  disturb: boolean;
}

/** What the load is made of. */
export interface Mix {
  visit: readonly RecordedRequest[];
  api: readonly RecordedRequest[];
  /** Tokens of users who read an answer each. */
  readers: readonly string[];
}

export interface Life {
  figures: Figures;
  notes: string[];
  /** Why it could not be measured any further. */
  failure?: string;
}

/** Never throws for a failure of the contender, which is a result. `outer` ends it early. */
export async function live(
  outer: Scope,
  contender: Contender,
  stage: Stage,
  mix: Mix,
  { seconds, disturb }: Round,
  tell: (text: string) => void,
): Promise<Life> {
  const life: Life = { figures: {}, notes: [] };
  const note = (more: Figures) => Object.assign(life.figures, more);
  const scope = new Scope();
  let running: Server | undefined;
  outer.defer(contender.name, () => scope.close());
  try {
    const folder = await mkdtemp(join(stage.folder, 'life-'));
    await stage.emptyRedis();
    const databaseUrl = await stage.copyDatabase();
    scope.defer('database', () => stage.dropDatabase(databaseUrl));
    const port = await freePort(LOOPBACK, 0);
    const { workers } = contender;

    tell('starts');
    const server = await contender.start(scope, stage, { folder, port, databaseUrl, workers });
    running = server;
    // Its data is thrown away, and an orderly end would cost some of them ten seconds that are not measured.
    scope.defer('all that it has started', () => endAtOnce(server));
    await untilAnswered(server, () => ofLength(server.workers(), workers), {
      what: `${contender.name}: all workers answer`,
      timeoutMs: START_TIMEOUT_MS,
    });
    note({ startSeconds: [(performance.now() - server.begun) / 1000] });

    const ui = await OpenWebui.signIn(server.url, stage.admin);
    tell('is asked');
    await load(server, mix.visit, ui.headers, { amount: mix.visit.length * 2 });
    await load(server, mix.api, ui.headers, { amount: WARM_UP * CONNECTIONS });
    if (!contender.memoryOnly) {
      const visit = await load(server, mix.visit, ui.headers, { duration: seconds });
      note({
        visitsPerSecond: [visit.perSecond / mix.visit.length],
        visitCpuMs: [visit.cpuMs * mix.visit.length],
        visitP50Ms: [visit.p50Ms],
        visitP99Ms: [visit.p99Ms],
        visitP999Ms: [visit.p999Ms],
      });
      const api = await load(server, mix.api, ui.headers, { duration: seconds });
      note({
        apiPerSecond: [api.perSecond],
        apiCpuMs: [api.cpuMs],
        apiP50Ms: [api.p50Ms],
        apiP99Ms: [api.p99Ms],
        apiP999Ms: [api.p999Ms],
      });
    }
    tell('chats');
    // Workers that share one identity do not hear each other, and an answer may never arrive: that is a result too.
    const answered = await chats(ui, stage, contender.memoryOnly ? 1 : seconds).catch((error: Error) => {
      life.notes.push(`chats: ${error.message.split('\n', 1)[0]}`);
      return {};
    });
    if (!contender.memoryOnly) note(answered);
    note({ memoryMib: [pssMib(server)] });
    if (disturb && !contender.memoryOnly) {
      const { upstream } = stage;
      await streamsAndDocuments(server, ui, { upstream, readers: mix.readers, seconds }, life, tell);
      await reload(server, ui, life, tell);
      await kill(server, life, tell);
    }
  } catch (error) {
    const { message } = error as Error;
    const log = running?.logTail() ?? '';
    life.failure = message.includes(log) ? message : `${message}\n${log}`;
  } finally {
    tell('ends');
    await scope.close().catch((error: unknown) => {
      life.notes.push(`it did not end as it should: ${(error as Error).message}`);
    });
  }
  return life;
}

/** What a contender cannot do of it is a result. */
async function streamsAndDocuments(
  server: Server,
  ui: OpenWebui,
  { upstream, readers, seconds }: { upstream: Upstream; readers: readonly string[]; seconds: number },
  life: Life,
  tell: (text: string) => void,
): Promise<void> {
  const attempt = async (what: string, run: () => Promise<void>) => {
    tell(what);
    await run().catch((error: Error) => life.notes.push(`${what}: ${error.message.split('\n', 1)[0]}`));
  };
  await attempt('streams', async () => {
    Object.assign(life.figures, await streams(server, upstream, readers, seconds));
  });
  await attempt('documents', async () => {
    const { figures, notes } = await documents(ui);
    Object.assign(life.figures, figures);
    life.notes.push(...notes);
  });
}

async function endAtOnce(server: Server): Promise<void> {
  // One may have been started while the others were looked for.
  for (let left = livingOf(server); left.length > 0; left = livingOf(server)) await killAll(left);
}

function livingOf(server: Server): ProcessInfo[] {
  return server.processes().filter(isAlive);
}

function ofLength<T>(list: T[], length: number): T[] | undefined {
  return list.length === length ? list : undefined;
}

function pssMib(server: Server): number {
  return sumMemory(livingOf(server)).pss / MIB;
}

async function reload(
  server: Server,
  ui: OpenWebui,
  life: Life,
  tell: (text: string) => void,
): Promise<void> {
  tell(`reloads (${server.reload.how})`);
  const first = await replaceUnderLoad(server, server.reload, ui);
  let done = { ...first, how: server.reload.how };
  if (first.replaced === 0) {
    life.notes.push(`${server.reload.how}: given up, no worker was replaced; ${server.restart.how} instead`);
    tell(`restarts (${server.restart.how})`);
    done = { ...(await replaceUnderLoad(server, server.restart, ui)), how: server.restart.how };
  }
  life.notes.push(
    `reload: ${done.how}; ${done.lost} of ${done.asked} requests lost, slowest answer ${(done.worstMs / 1000).toFixed(1)} s`,
  );
  Object.assign(life.figures, { reloadLost: [done.lost], reloadSeconds: [done.seconds] });
}

/** Lost requests are not counted by autocannon, which miscounts those whose connection the server closes. */
async function replaceUnderLoad(server: Server, { run }: Replacement, ui: OpenWebui) {
  const load = startLoad({
    url: `${server.url}/api/v1/chats/?page=1`,
    headers: ui.headers,
    connections: CONNECTIONS,
  });
  let isStopped = false;
  try {
    await load.proceed(AROUND_RELOAD);
    const former = server.workers();
    const begun = performance.now();
    const command = run();
    const [replaced] = await Promise.all([untilReloaded(server, former, RELOAD_TIMEOUT_MS), command]);
    const seconds = (performance.now() - begun) / 1000;
    await load.proceed(AROUND_RELOAD);
    isStopped = true;
    const { failed, answered, worstMs } = await load.stop();
    return { replaced, seconds, lost: failed, asked: answered + failed, worstMs };
  } finally {
    if (!isStopped) await load.stop();
  }
}

async function kill(server: Server, life: Life, tell: (text: string) => void): Promise<void> {
  const workers = server.workers();
  const [victim] = workers;
  if (!victim) throw new Error('there is no worker to kill');
  tell('loses a worker');
  if (!server.isSupervised) {
    life.notes.push('kill -9: nothing starts it again');
    return;
  }
  const before = new Set(workers.map(({ pid }) => pid));
  const begun = performance.now();
  signal(victim, 'SIGKILL');
  const successor = () => {
    const now = server.workers();
    return now.length === workers.length
      ? ofLength(
          now.filter(({ pid }) => !before.has(pid)),
          1,
        )
      : undefined;
  };
  await untilAnswered(server, successor, {
    what: 'a worker in the place of the killed one answers',
    timeoutMs: RECOVER_TIMEOUT_MS,
    pollMs: RECOVER_POLL_MS,
  });
  Object.assign(life.figures, { recoverSeconds: [(performance.now() - begun) / 1000] });
}
