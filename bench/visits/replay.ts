/** Replays a recorded visit like a browser, on its own connections. */
import http from 'node:http';
import { OneConnection } from '../../src/bench/client/http.ts';
import type { RecordedRequest } from '../../src/bench/contest/visits.ts';

/** Connections that browsers open to one host over HTTP/1.1. */
const CONNECTIONS = 6;

const TIMEOUT_MS = 60_000;

/** Sends all requests, each as soon as a connection is free. Throws an error if an answer is not what a page needs. */
export async function replay(
  url: string,
  requests: readonly RecordedRequest[],
  headers: Record<string, string> = {},
): Promise<{ bytes: number; ms: number }> {
  const started = performance.now();
  const waiting = [...requests];
  let bytes = 0;
  async function client(): Promise<void> {
    const agent = new OneConnection();
    try {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        // Not `bytes += await …`: that would add to the value from before the answer.
        const received = await ask(url, next, headers, agent);
        bytes += received;
      }
    } finally {
      agent.destroy();
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  return { bytes, ms: performance.now() - started };
}

/** Number of bytes of the answer's body. */
function ask(
  url: string,
  { method, path, headers, authorized, body }: RecordedRequest,
  credentials: Record<string, string>,
  agent: http.Agent,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const all = { ...headers, ...(headers.origin && { origin: url }), ...(authorized && credentials) };
    const request = http.request(url, { method, path, headers: all, agent, timeout: TIMEOUT_MS });
    const fail = (reason: unknown) => reject(new Error(`${method} ${path}: ${reason}`));
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', fail);
    request.on('response', (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on('error', fail);
      response.on('end', () => {
        const { statusCode = 0 } = response;
        if (statusCode >= 200 && statusCode < 400) resolve(bytes);
        else fail(statusCode);
      });
    });
    request.end(body);
  });
}
