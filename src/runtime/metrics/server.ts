import { createServer, type Server, type ServerResponse } from 'node:http';
import { takeSample } from '../watch/sample.ts';
import { Metrics } from './registry.ts';

/** Of this machine alone: figures of an installation are nobody else's business. */
export const METRICS_HOST = '127.0.0.1';

/** Serves the metrics of a cluster; what they tell is read anew at each request. Rejects where the port is taken. */
export function startMetrics(controlSocket: string, port: number): Promise<Server> {
  const metrics = new Metrics();
  let underWay: Promise<string> | undefined;
  /** One look at a time, for all who ask meanwhile. */
  const scrape = () => {
    underWay ??= look().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
  const look = async () => {
    metrics.update(await takeSample(controlSocket));
    return metrics.registry.metrics();
  };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, 'GET /metrics\n');
    if (pathname !== '/metrics') return answer(response, 404, 'the metrics are at /metrics\n');
    scrape().then(
      (text) => answer(response, 200, text, metrics.registry.contentType),
      (error: unknown) => answer(response, 500, `${error instanceof Error ? error.stack : String(error)}\n`),
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, METRICS_HOST, () => resolve(server));
  });
}

function answer(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text);
}
