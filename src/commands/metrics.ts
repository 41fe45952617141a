import { once } from 'node:events';
import { EXIT, type ExitCode, systemCode, TuneError } from '../base/errors.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { METRICS_HOST, startMetrics } from '../runtime/metrics/server.ts';
import { findCluster } from './top.ts';

export interface MetricsOptions {
  /** Ecosystem file; undefined: the cluster that runs. */
  file?: string;
  port: number;
}

/** Serves metrics until SIGINT or SIGTERM. Throws TuneError. */
export async function serveMetrics({ file, port }: MetricsOptions, { err }: Terminal): Promise<ExitCode> {
  const socket = await findCluster(file);
  const server = await startMetrics(socket, port).catch((error: unknown) => {
    if (systemCode(error) !== 'EADDRINUSE') throw error;
    throw new TuneError(`port ${port} of ${METRICS_HOST} is taken`, EXIT.service, [
      'choose another: webui-tune metrics --port 9465',
    ]);
  });
  err(`http://${METRICS_HOST}:${port}/metrics (Ctrl-C ends it)\n`);
  const stop = new AbortController();
  await Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal, { signal: stop.signal })));
  stop.abort();
  server.close();
  server.closeAllConnections();
  return EXIT.ok;
}
