/** What four people who ask for their chats notice of something that runs meanwhile. */
import { startLoad } from './load.ts';
import type { OpenWebui } from './open-webui.ts';
import { watchLoop } from './watch-loop.ts';

/** How many others there are, and how long each of them thinks at most. */
const OTHERS = 4;
const THINK_MS = 100;

/** Connections that watch event loops: with so many, hardly any worker has none of them. */
const WATCHED = 8;

/** Longer than the longest standstill that was seen, 13 s. */
const TIMEOUT_MS = 60_000;

export interface Beside<T> {
  value: T;
  /** For how long it ran. */
  seconds: number;
  /** Of the others' requests, in milliseconds. */
  p99Ms: number;
  /** The longest that a worker stood still, in milliseconds. */
  standstillMs: number;
  /** How many of the others' requests failed, and the first of them. */
  failed: number;
  failures: string[];
}

/** Throws what `run` throws. */
export async function beside<T>(ui: OpenWebui, run: () => Promise<T>): Promise<Beside<T>> {
  const watch = watchLoop(ui.url, WATCHED);
  const load = startLoad({
    url: `${ui.url}/api/v1/chats/?page=1`,
    headers: ui.headers,
    connections: OTHERS,
    pauseMs: THINK_MS,
    timeoutMs: TIMEOUT_MS,
  });
  const begun = performance.now();
  try {
    const value = await run();
    const seconds = (performance.now() - begun) / 1000;
    const { p99Ms, failed, failures } = await load.stop();
    return { value, seconds, p99Ms, standstillMs: await watch.stop(), failed, failures };
  } finally {
    await Promise.allSettled([load.stop(), watch.stop()]);
  }
}
