/** The load on every contender: autocannon sends a page's requests, and chats use their WebSockets. */
import autocannon from 'autocannon';
import { Scope } from '../../base/io/scope.ts';
import { cpuMs } from '../../base/machine/process-cpu.ts';
import type { OpenWebui } from '../client/open-webui.ts';
import { wholeAnswer } from '../scratch/upstream.ts';
import type { Figures } from './figures.ts';
import type { Stage } from './stage.ts';
import { percentile } from './statistics.ts';
import type { RecordedRequest } from './visits.ts';

/** Connections of two browsers (six to a host over HTTP/1.1). */
export const CONNECTIONS = 12;

/** Pages that ask at the same time. */
const PAGES = 6;

/** Milliseconds for the end of an answer that has been generated to reach its page; it takes some ten of them. */
const ARRIVAL_MS = 5_000;

/** Seconds until a request without an answer is given up. */
const TIMEOUT = 30;

export interface Sample {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
  /** Milliseconds of worker CPU a request. */
  cpuMs: number;
}

/** Seconds, or requests of all connections together. */
export type Limit = { duration: number } | { amount: number };

/** Each connection makes all of the requests, again and again. Throws where an answer is not what a page needs. */
export async function load(
  server: { url: string; workers(): { pid: number }[] },
  requests: readonly RecordedRequest[],
  headers: Record<string, string>,
  limit: Limit,
): Promise<Sample> {
  const workers = server.workers();
  const before = cpuMs(workers);
  const result = await autocannon({
    url: server.url,
    connections: CONNECTIONS,
    timeout: TIMEOUT,
    setupClient: withoutBodies,
    requests: requests.map(({ method, path, headers: own, authorized, body }) => ({
      method: method as 'GET',
      path,
      headers: { ...own, ...(own.origin && { origin: server.url }), ...(authorized && headers) },
      ...(body !== undefined && { body }),
    })),
    ...limit,
  });
  // A 302 (a model's picture) or 304 is an answer too.
  const failed = result.errors + result.timeouts + result['4xx'] + result['5xx'];
  if (failed > 0) throw new Error(`${failed} requests failed: ${JSON.stringify(result.statusCodeStats)}`);
  const answered = result.requests.total;
  if (answered === 0) throw new Error('not one request was answered');
  return {
    perSecond: answered / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    p999Ms: result.latency.p99_9,
    cpuMs: (cpuMs(workers) - before) / answered,
  };
}

/**
 * autocannon decodes every body as text, even a compressed one, though nothing here looks at it: 44 ms of CPU for the
 * 216 answers of a visit instead of 15 (three rounds each, in turns). On two cores that measured the client.
 * Throws TypeError where autocannon has no such method any more (autocannon/lib/pipelinedRequestsQueue.js).
 */
function withoutBodies(client: autocannon.Client): void {
  const { pipelinedRequests } = client as unknown as { pipelinedRequests: { addBody?(part: Buffer): void } };
  if (!pipelinedRequests.addBody) throw new TypeError('autocannon keeps bodies in another way now');
  pipelinedRequests.addBody = () => undefined;
}

/** Pages that open their WebSockets and ask one question after another; throws where an answer is not whole. */
export async function chats(ui: OpenWebui, stage: Stage, seconds: number): Promise<Figures> {
  const scope = new Scope();
  try {
    const joined: number[] = [];
    const pages = await Promise.all(
      Array.from({ length: PAGES }, async () => {
        const begun = performance.now();
        const page = await ui.connectSocket(scope);
        joined.push(performance.now() - begun);
        return page;
      }),
    );
    const first: number[] = [];
    const begun = performance.now();
    await Promise.all(
      pages.map(async (page, index) => {
        for (let count = 0; performance.now() - begun < seconds * 1000; count++) {
          const prompt = `heron${index}x${count}`;
          const { text, firstMs } = await ui.chat(page, prompt, { arrivalMs: ARRIVAL_MS });
          if (text !== wholeAnswer(prompt, stage.upstream.pace)) throw new Error(`a broken answer: ${text}`);
          first.push(firstMs);
        }
      }),
    );
    return {
      chatsPerSecond: [first.length / ((performance.now() - begun) / 1000)],
      chatFirstP50Ms: [percentile(first, 0.5)],
      chatFirstP99Ms: [percentile(first, 0.99)],
      socketMs: [percentile(joined, 0.5)],
    };
  } finally {
    await scope.close();
  }
}
