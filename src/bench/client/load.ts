/**
 * Requests in the background, to see which of them fail. Not autocannon's work: version 9 counts a request whose
 * connection the server closed as neither answered nor failed, sends another one after `Connection: close`, and
 * with `reconnectRate: 1` counts nothing at all. Each would hide or invent what is looked for here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../base/io/wait.ts';
import { OneConnection, request } from './http.ts';

const REQUEST_TIMEOUT_MS = 10_000;
const SHOWN_FAILURES = 10;
const PROCEED_TIMEOUT_MS = 240_000;

/**
 * Milliseconds until a client that failed tries again. Otherwise a refused one would fail thousands of times a second.
 */
const PAUSE_AFTER_FAILURE_MS = 100;

export interface LoadOptions {
  url: string;
  headers: Record<string, string>;
  connections: number;
  /** A new connection for each request, instead of kept-alive ones. */
  reconnect?: boolean;
  /** The longest time that a client thinks between two requests. Absent: it never does. */
  pauseMs?: number;
  /** Time after which a request without an answer counts as failed; 10 s. */
  timeoutMs?: number;
}

export interface Failure {
  atMs: number;
  problem: string;
  /** Local port of the connection; undefined where none came about. */
  port: number | undefined;
  /** How long the request took to fail, and how long the client had not asked before. */
  tookMs: number;
  idleMs: number;
}

export interface LoadReport {
  answered: number;
  failed: number;
  /** All failures. */
  failedRequests: Failure[];
  /** The first failures, with their time since the start. */
  failures: string[];
  worstMs: number;
  p99Ms: number;
  perSecond: number;
  connectionsOpened: number;
}

export interface Load {
  /** Waits until that many more requests are answered. */
  proceed(answers: number, timeoutMs?: number): Promise<void>;
  stop(): Promise<LoadReport>;
}

export function startLoad({
  url,
  headers,
  connections,
  reconnect = false,
  pauseMs = 0,
  timeoutMs = REQUEST_TIMEOUT_MS,
}: LoadOptions): Load {
  const started = performance.now();
  const failedRequests: Failure[] = [];
  const latencies: number[] = [];
  let connectionsOpened = 0;
  let isStopping = false;

  /** Returns when it ended, as `lastEnd` of the next one. */
  async function requestOnce(agent: OneConnection, lastEnd: number): Promise<number> {
    const from = performance.now();
    let problem: string | undefined;
    try {
      const answer = await request(url, { headers, agent, timeoutMs });
      if (answer.status !== 200) problem = `${answer.status}: ${answer.body.slice(0, 200)}`;
    } catch (error) {
      problem = String(error);
    }
    const now = performance.now();
    latencies.push(now - from);
    if (problem === undefined) return now;
    failedRequests.push({
      atMs: Math.round(now - started),
      problem,
      port: agent.lastPort,
      tookMs: Math.round(now - from),
      idleMs: Math.round(from - lastEnd),
    });
    await sleep(PAUSE_AFTER_FAILURE_MS);
    return now;
  }

  async function client(): Promise<void> {
    let agent = new OneConnection();
    let lastEnd = started;
    while (!isStopping) {
      lastEnd = await requestOnce(agent, lastEnd);
      if (pauseMs > 0) await sleep(Math.random() * pauseMs);
      if (!reconnect) continue;
      agent.destroy();
      connectionsOpened += agent.opened;
      agent = new OneConnection();
    }
    agent.destroy();
    connectionsOpened += agent.opened;
  }

  const clients = Array.from({ length: connections }, client);
  return {
    async proceed(answers, timeoutMs = PROCEED_TIMEOUT_MS) {
      const goal = latencies.length - failedRequests.length + answers;
      await until(() => latencies.length - failedRequests.length >= goal, {
        what: `${answers} more answers`,
        timeoutMs,
      });
    },
    async stop() {
      isStopping = true;
      await Promise.all(clients);
      const seconds = (performance.now() - started) / 1000;
      const answered = latencies.length - failedRequests.length;
      latencies.sort((a, b) => a - b);
      return {
        answered,
        failed: failedRequests.length,
        failedRequests,
        failures: failedRequests
          .slice(0, SHOWN_FAILURES)
          .map(
            ({ atMs, problem, tookMs, idleMs }) =>
              `${atMs} ms: ${problem} (after ${tookMs} ms, idle for ${idleMs} ms before)`,
          ),
        worstMs: latencies.at(-1) ?? 0,
        p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
        perSecond: answered / seconds,
        connectionsOpened,
      };
    },
  };
}
