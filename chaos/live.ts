/** Whether it lives: an answer asked of one worker reaches a page that another one holds. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../test/kit/cluster.ts';
import { connectTo, ownerOf } from '../test/kit/connections.ts';
import type { ChatEvent, OpenWebui } from '../test/kit/openwebui.ts';
import { Scope } from '../test/kit/scope.ts';

/** Milliseconds that one attempt may take, and between the starts of two: one that hangs must not hide a later one. */
const ATTEMPT_MS = 10_000;
const STAGGER_MS = 500;

export interface LiveSite {
  cluster: Cluster;
  ui: OpenWebui;
}

/** Milliseconds from `since` (of performance.now()) until a question's first words have reached another worker's page. */
export async function untilLive(site: LiveSite, since: number, timeoutMs: number): Promise<number> {
  const attempts: Promise<void>[] = [];
  let liveAt: number | undefined;
  let failure: unknown;
  const deadline = performance.now() + timeoutMs;
  while (liveAt === undefined && performance.now() < deadline) {
    const done = attempt(site).then(
      () => {
        liveAt ??= performance.now();
      },
      (error: unknown) => {
        failure = error;
      },
    );
    attempts.push(done);
    await sleep(STAGGER_MS);
  }
  await Promise.all(attempts);
  if (liveAt === undefined)
    throw new Error(`it was not whole again within ${timeoutMs} ms`, { cause: failure });
  return liveAt - since;
}

/** Throws where something does not work, or not in time. */
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
  work.catch(() => undefined); // it may fail after it was given up
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
