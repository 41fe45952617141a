/** Does once to each worker what users do, so that it grows as large as it is in use. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, TuneError } from '../../base/errors.ts';
import { Scope } from '../../base/io/scope.ts';
import { until } from '../../base/io/wait.ts';
import { cpuMs } from '../../base/machine/process-cpu.ts';
import type { ProcessInfo } from '../../base/machine/process-table.ts';
import { connectTo, ownerOf } from '../client/connections.ts';
import type { OneConnection } from '../client/http.ts';
import { startLoad } from '../client/load.ts';
import { OpenWebui, type PageSocket } from '../client/open-webui.ts';
import { type Upstream, wholeAnswer } from '../scratch/upstream.ts';
import type { TrialCluster } from './cluster.ts';

const CHATS = 10;
const CALLS = 200;
const CALLS_WARM_UP = 20;
/** As many as two browsers open. */
const CONNECTIONS = 12;
const LOAD_CALLS = 600;
const LOAD_TIMEOUT_MS = 60_000;
const PIN_TIMEOUT_MS = 20_000;
const SAMPLE_INTERVAL_MS = 100;

/** What the web page asks for most often. */
export const API_CALL = '/api/v1/chats/?page=1';

export interface User {
  email: string;
  password: string;
}

/** Chats that stream, an upload and API calls, all of them of that one worker. */
export async function warmUp(
  cluster: TrialCluster,
  worker: ProcessInfo,
  { user, upstream }: { user: User; upstream: Upstream },
): Promise<void> {
  const scope = new Scope();
  try {
    const ui = await OpenWebui.signIn(cluster.url, user);
    const connection = await connectTo(
      (pid) => pid === worker.pid,
      cluster,
      () => cluster.workers,
    );
    scope.defer('connection', () => connection.destroy());
    const page = await pageOf(scope, cluster, ui, worker);
    for (let index = 0; index < CHATS; index++) {
      const prompt = `measure${index}`;
      const { text } = await ui.chat(page, prompt, { agent: connection });
      if (text !== wholeAnswer(prompt, upstream.pace)) {
        throw new TuneError(
          `a chat’s answer did not arrive whole: ${JSON.stringify(text.slice(0, 80))}`,
          EXIT.service,
        );
      }
    }
    await upload(ui, connection);
    for (let index = 0; index < CALLS; index++) await ui.call('GET', API_CALL, undefined, connection);
  } finally {
    await scope.close();
  }
}

/** A page whose WebSocket that worker has accepted. */
async function pageOf(
  scope: Scope,
  cluster: TrialCluster,
  ui: OpenWebui,
  worker: ProcessInfo,
): Promise<PageSocket> {
  return until(
    async () => {
      const page = await ui.connectSocket(scope);
      if ((await ownerOf(page.connection, cluster.port, () => cluster.workers)) === worker.pid) return page;
      page.close();
      return undefined;
    },
    { what: `worker ${worker.pid} accepts a WebSocket`, timeoutMs: PIN_TIMEOUT_MS, intervalMs: 0 },
  );
}

async function upload(ui: OpenWebui, connection: OneConnection): Promise<void> {
  try {
    await ui.upload('notes.txt', 'The heron waits for a fish.\n\n'.repeat(100), connection);
  } catch (error) {
    throw new TuneError(
      `a text that was uploaded could not be embedded: ${(error as Error).message}`,
      EXIT.service,
      [
        'where the embedding model is a local one, it has to be on this machine already: start Open WebUI once',
      ],
    );
  }
}

/** Milliseconds of CPU of the workers for one API call, over kept-alive connections, one call after the other. */
export async function cpuOfCall(cluster: TrialCluster, user: User): Promise<number> {
  const ui = await OpenWebui.signIn(cluster.url, user);
  const connections = await Promise.all(
    cluster.workers.map(({ pid }) =>
      connectTo(
        (owner) => owner === pid,
        cluster,
        () => cluster.workers,
      ),
    ),
  );
  try {
    const ask = async (calls: number) => {
      for (let index = 0; index < calls; index++) {
        await ui.call('GET', API_CALL, undefined, connections[index % connections.length]);
      }
    };
    await ask(CALLS_WARM_UP);
    const before = cpuMs(cluster.workers);
    await ask(CALLS);
    return (cpuMs(cluster.workers) - before) / CALLS;
  } finally {
    for (const connection of connections) connection.destroy();
  }
}

/** Runs `sample` again and again while as many clients as two browsers have ask; the largest of its answers. */
export async function peakUnderLoad(
  cluster: TrialCluster,
  user: User,
  sample: () => Promise<number>,
): Promise<number> {
  const ui = await OpenWebui.signIn(cluster.url, user);
  const load = startLoad({ url: `${cluster.url}${API_CALL}`, headers: ui.headers, connections: CONNECTIONS });
  let isDone = false;
  let peak = 0;
  const sampling = (async () => {
    while (!isDone) {
      peak = Math.max(peak, await sample());
      await sleep(SAMPLE_INTERVAL_MS);
    }
  })();
  const answering = load.proceed(LOAD_CALLS, LOAD_TIMEOUT_MS).finally(() => {
    isDone = true;
  });
  const results = await Promise.allSettled([sampling, answering]);
  const { failed, failures } = await load.stop();
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []));
  if (failed > 0 || reasons.length > 0) {
    throw new TuneError(
      `API calls under load: ${failed} failed\n${[...reasons, ...failures].join('\n')}`,
      EXIT.service,
    );
  }
  return peak;
}
