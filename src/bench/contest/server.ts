/** A running contender, seen from outside: the connections that its processes accept tell which of them serve. */
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../base/io/wait.ts';
import type { ProcessInfo } from '../../base/machine/process-table.ts';
import { clientPortsOf } from '../client/connections.ts';
import { OneConnection, request } from '../client/http.ts';

/** A way to run what the settings say now. */
export interface Replacement {
  /** The command, for people. */
  how: string;
  run(): Promise<void>;
}

export interface Server {
  /** `performance.now()` when it was started. */
  begun: number;
  url: string;
  port: number;
  /** The Python processes that answer requests. */
  workers(): ProcessInfo[];
  /** All that belongs to it. */
  processes(): ProcessInfo[];
  /** Replaces all workers in the way that it offers; returns when the command has ended, which may be long before. */
  reload: Replacement;
  /** The way that remains where that one fails. */
  restart: Replacement;
  /** Whether anything starts a worker that has died. */
  isSupervised: boolean;
  /** The end of its log, for errors. */
  logTail(): string;
}

/** Each look reads all of /proc, which costs milliseconds of CPU that the server could use. */
const POLL_MS = 50;
const REQUEST_TIMEOUT_MS = 2_000;

/**
 * Waits until each of the workers that are `wanted` has answered a request: which of them has is told by who holds the
 * connection. `wanted` is asked again and again, and undefined means that they are not all there yet.
 */
export async function untilAnswered(
  server: Pick<Server, 'url' | 'port' | 'logTail'>,
  wanted: () => readonly ProcessInfo[] | undefined,
  { what, timeoutMs, pollMs = POLL_MS }: { what: string; timeoutMs: number; pollMs?: number },
): Promise<void> {
  const answered = new Set<number>();
  const connections: OneConnection[] = [];
  try {
    await until(
      async () => {
        const workers = wanted();
        if (!workers) return false;
        const missing = workers.filter(({ pid }) => !answered.has(pid));
        if (missing.length === 0) return true;
        const connection = new OneConnection();
        // Connections that the other workers hold keep those workers from taking more than their share.
        connections.push(connection);
        const { status } = await request(`${server.url}/health`, {
          agent: connection,
          timeoutMs: REQUEST_TIMEOUT_MS,
        });
        if (status !== 200) throw new Error(`/health: ${status}`);
        const holder = missing.find(({ pid }) => clientPortsOf(pid, server.port).has(connection.localPort));
        if (holder) answered.add(holder.pid);
        return false;
      },
      { what, timeoutMs, intervalMs: pollMs },
    );
  } catch (cause) {
    throw new Error(`${(cause as Error).message}\n${server.logTail()}`, { cause });
  } finally {
    for (const connection of connections) connection.destroy();
  }
}

/** Milliseconds without another set of workers, after which they are taken for those that stay. */
const SETTLED_MS = 3_000;

/**
 * Waits for the end of a reload: the former workers are gone and as many others serve, or it was given up and all
 * former ones are still there. Returns how many were replaced.
 */
export async function untilReloaded(
  server: Server,
  former: readonly ProcessInfo[],
  timeoutMs: number,
): Promise<number> {
  const before = new Set(former.map(({ pid }) => pid));
  const deadline = performance.now() + timeoutMs;
  let sawOthers = false;
  let last = '';
  let since = performance.now();
  for (;;) {
    const now = server.workers();
    const others = now.filter(({ pid }) => !before.has(pid));
    sawOthers ||= others.length > 0;
    const set = now.map(({ pid }) => pid).join();
    if (set !== last) [last, since] = [set, performance.now()];
    if (others.length === former.length && now.length === former.length) break;
    const isSettled = performance.now() - since > SETTLED_MS;
    // The attempt failed: everything is as it was.
    if (sawOthers && others.length === 0 && now.length === former.length && isSettled) return 0;
    if (performance.now() > deadline)
      throw new Error(`the reload is not over: workers ${set || 'none'}\n${server.logTail()}`);
    await sleep(POLL_MS);
  }
  const replaced = () => {
    const now = server.workers();
    return now.length === former.length && now.every(({ pid }) => !before.has(pid)) ? now : undefined;
  };
  await untilAnswered(server, replaced, {
    what: 'all new workers answer',
    timeoutMs: Math.max(1, deadline - performance.now()),
  });
  return former.length;
}
