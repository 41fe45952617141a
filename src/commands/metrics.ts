import { once } from 'node:events';
import { EXIT, type ExitCode, systemCode, TuneError } from '../base/errors.ts';
import { LOOPBACK } from '../base/io/address.ts';
import { dataHome } from '../base/io/folders.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { backupStatePath } from '../runtime/backups/state.ts';
import { startMetrics } from '../runtime/metrics/server.ts';
import { findCluster } from './top.ts';

export interface MetricsOptions {
  /** Ecosystem file; undefined: the running cluster. */
  file?: string;
  port: number;
}

/** Prints a dashboard of Grafana, or rules of Prometheus. */
export async function printFor(what: 'dashboard' | 'alerts', { out }: Terminal): Promise<ExitCode> {
  if (what === 'dashboard') out((await import('../render/watching/dashboard.ts')).renderDashboard());
  else out((await import('../render/watching/alerts.ts')).renderAlerts());
  return EXIT.ok;
}

/** Serves metrics until SIGINT or SIGTERM. Throws TuneError. */
export async function serveMetrics({ file, port }: MetricsOptions, { err }: Terminal): Promise<ExitCode> {
  const socket = await findCluster(file);
  const server = await startMetrics(socket, port, backupStatePath(dataHome(process.env))).catch(
    (error: unknown) => {
      if (systemCode(error) !== 'EADDRINUSE') throw error;
      throw new TuneError(`port ${port} of ${LOOPBACK} is in use`, EXIT.service, [
        'choose another: webui-tune metrics --port 9465',
      ]);
    },
  );
  err(`http://${LOOPBACK}:${port}/metrics (Ctrl-C ends it)\n`);
  const stop = new AbortController();
  await Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal, { signal: stop.signal })));
  stop.abort();
  server.close();
  server.closeAllConnections();
  return EXIT.ok;
}
