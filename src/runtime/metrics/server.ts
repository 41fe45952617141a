import { createServer, type Server, type ServerResponse } from 'node:http';
import { LOOPBACK } from '../../base/io/address.ts';
import { type BackupState, readBackupState } from '../backups/state.ts';
import { takeSample } from '../watch/sample.ts';
import { BackupMetrics } from './backups.ts';
import { Metrics } from './registry.ts';

/**
 * Serves the metrics of a cluster, which are read anew for each request. `backups` is the file that says what is known of
 * them. Rejects where the port is taken.
 */
export function startMetrics(controlSocket: string, port: number, backups: string): Promise<Server> {
  const metrics = new Metrics();
  const ofBackups = new BackupMetrics(metrics.registry);
  let underWay: Promise<string> | undefined;
  /** One look at a time; requests that come meanwhile share its result. */
  const scrape = () => {
    underWay ??= look().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
  const look = async () => {
    metrics.update(await takeSample(controlSocket));
    ofBackups.update(stateOf(backups));
    return metrics.registry.metrics();
  };
  const server = createServer((request, response) => {
    if (!isThisMachine(request.headers.host)) {
      return answer(response, 403, `ask for ${LOOPBACK}: other names may be a web page's\n`);
    }
    const [pathname] = (request.url ?? '/').split('?');
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, 'GET /metrics\n');
    if (pathname !== '/metrics') return answer(response, 404, 'the metrics are at /metrics\n');
    scrape().then(
      (text) => answer(response, 200, text, metrics.registry.contentType),
      (error: unknown) => answer(response, 500, `${error instanceof Error ? error.stack : String(error)}\n`),
    );
  });
  return new Promise((resolve, reject) => {
    // This machine alone: the figures of an installation are nobody else's business.
    server.once('error', reject);
    server.listen(port, LOOPBACK, () => resolve(server));
  });
}

/** A file that is damaged is the doctor's to report: the other metrics go on. */
function stateOf(backups: string): BackupState | undefined {
  try {
    return readBackupState(backups);
  } catch {
    return undefined;
  }
}

/** A page whose name has been pointed at this machine (DNS rebinding) asks under that name. */
function isThisMachine(host = LOOPBACK): boolean {
  return /^(?:127(?:\.\d+){3}|localhost|\[::1\])(?::\d+)?$/i.test(host);
}

function answer(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text);
}
