import { setTimeout as sleep } from 'node:timers/promises';
import { OneConnection, request } from './http.ts';

/** Between two questions of one connection. */
const PAUSE_MS = 10;

/** Longer than any standstill that is measured; a server that stands still for longer fails. */
const TIMEOUT_MS = 120_000;

export interface LoopWatch {
  /** Milliseconds of the longest wait. */
  stop(): Promise<number>;
}

/**
 * The longest that anybody had to wait for the lightest answer of all: about as long as an event loop stood still. Each of the
 * connections watches one worker.
 */
export function watchLoop(url: string, connections = 1): LoopWatch {
  let longest = 0;
  let isOver = false;
  const watching = Array.from({ length: connections }, async () => {
    const agent = new OneConnection();
    while (!isOver) {
      const from = performance.now();
      await request(`${url}/health`, { agent, timeoutMs: TIMEOUT_MS });
      longest = Math.max(longest, performance.now() - from);
      await sleep(PAUSE_MS);
    }
    agent.destroy();
  });
  const all = Promise.all(watching);
  // Its failure is stop()'s to tell.
  all.catch(() => undefined);
  return {
    async stop() {
      isOver = true;
      await all;
      return longest;
    },
  };
}
