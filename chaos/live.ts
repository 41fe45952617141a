/** Tests live updates: an answer that one worker generates must reach a page of another worker. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Scope } from '../src/base/io/scope.ts';
import { connectTo, ownerOf } from '../src/bench/client/connections.ts';
import type { ChatEvent, OpenWebui } from '../src/bench/client/open-webui.ts';
import type { Cluster } from '../test/kit/cluster.ts';

/** Milliseconds that an attempt may take, and between two starts: one that hangs must not hide a later one. */
const ATTEMPT_MS = 10_000;
const STAGGER_MS = 500;

/** Attempts at one time: on a busy machine, more of them would be what the service is busy with. */
const AT_ONCE = 4;

export interface LiveSite {
  cluster: Cluster;
  ui: OpenWebui;
}

/** Milliseconds from `since` (performance.now()) until the first words of an answer reach another worker's page. */
export async function untilLive(site: LiveSite, since: number, timeoutMs: number): Promise<number> {
  const attempts = new Set<Promise<void>>();
  let liveAt: number | undefined;
  let failure: unknown;
  const deadline = performance.now() + timeoutMs;
  while (liveAt === undefined && performance.now() < deadline) {
    const done = attempt(site)
      .then(
        () => {
          liveAt ??= performance.now();
        },
        (error: unknown) => {
          failure = error;
        },
      )
      .finally(() => attempts.delete(done));
    attempts.add(done);
    await sleep(STAGGER_MS);
    if (attempts.size >= AT_ONCE) await Promise.race(attempts);
  }
  await Promise.all(attempts);
  if (liveAt === undefined)
    throw new Error(`live updates did not work again within ${timeoutMs} ms`, { cause: failure });
  return liveAt - since;
}

/** Throws an error if something does not work, or not in time. */
async function attempt({ cluster, ui }: LiveSite): Promise<void> {
  const scope = new Scope();
  const workers = () => cluster.pythonWorkers();
  try {
    const page = await within(ui.connectSocket(scope), 'the page connects');
    const holder = await ownerOf(page.connection, cluster.port, workers);
    const other = await within(
      connectTo((pid) => pid !== holder, cluster, workers),
      'a connection to another worker',
    );
    scope.defer('connection', () => other.destroy());
    const messageId = randomUUID();
    const arrived = new Promise<void>((resolve) => {
      page.socket.on('events', (event: ChatEvent) => {
        const isDelta = event.data.data?.type === 'response.output_text.delta';
        if (event.message_id === messageId && isDelta) resolve();
      });
    });
    await within(ui.post(page, `live${messageId.slice(0, 6)}`, { messageId, agent: other }), 'the question');
    await within(arrived, 'the first words of the answer');
  } finally {
    await scope.close();
  }
}

async function within<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ATTEMPT_MS} ms: ${what}`)), ATTEMPT_MS);
  });
  work.catch(() => undefined); // it may still fail after the timeout
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
