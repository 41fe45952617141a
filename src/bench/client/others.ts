/**
 * A thread, for the others of `beside`: whatever the bench itself computes meanwhile, such as the embeddings that it answers
 * with, would delay their questions in the main thread, and be taken for the server's delay.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { startLoad } from './load.ts';
import { watchLoop } from './watch-loop.ts';

/** How many others there are, and how long each of them thinks at most. */
const OTHERS = 4;
const THINK_MS = 100;

/** Connections that watch event loops: with so many, hardly any worker has none of them. */
const WATCHED = 8;

/** Longer than the longest standstill that was seen, 13 s. */
const TIMEOUT_MS = 60_000;

/** Whom the others ask, and who they say that they are. */
export interface OthersInput {
  url: string;
  headers: Record<string, string>;
  /** A server that does nothing else than answer. */
  idleUrl?: string | undefined;
}

/** What they have noticed; sent once, after the first message to them. */
export interface Noticed {
  /** Of the others' requests, in milliseconds. */
  p99Ms: number;
  /** The longest that a worker stood still, in milliseconds. */
  standstillMs: number;
  /** The longest that the idle server seemed to stand still: what the machine makes anybody wait. 0 without one. */
  idleMs: number;
  /** How many of the others' requests failed, and the first of them. */
  failed: number;
  failures: string[];
}

const { url, headers, idleUrl } = workerData as OthersInput;
const watch = watchLoop(url, WATCHED);
const idle = idleUrl === undefined ? undefined : watchLoop(idleUrl);
const load = startLoad({
  url: `${url}/api/v1/chats/?page=1`,
  headers,
  connections: OTHERS,
  pauseMs: THINK_MS,
  timeoutMs: TIMEOUT_MS,
});

parentPort?.once('message', async () => {
  const { p99Ms, failed, failures } = await load.stop();
  const [standstillMs, idleMs = 0] = await Promise.all([watch.stop(), idle?.stop()]);
  parentPort?.postMessage({ p99Ms, standstillMs, idleMs, failed, failures } satisfies Noticed);
});
