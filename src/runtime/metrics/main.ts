/** The app that PM2 or systemd runs beside the workers with --metrics. */

import { LOOPBACK } from '../../base/io/address.ts';
import { dataHome } from '../../base/io/folders.ts';
import { backupStatePath } from '../backups/state.ts';
import { ENV, EXIT_CANNOT_BOOT } from '../contract.ts';
import { startMetrics } from './server.ts';

const { [ENV.controlSocket]: controlSocket, [ENV.metricsPort]: port } = process.env;

function fail(reason: string): void {
  process.stderr.write(`[metrics] ${reason}\n`);
  process.exitCode = EXIT_CANNOT_BOOT;
}

if (!controlSocket || !(Number(port) > 0)) {
  fail(
    `${ENV.controlSocket} or ${ENV.metricsPort} is not set: this is started by PM2, from the file that webui-tune writes`,
  );
} else {
  startMetrics(controlSocket, Number(port), backupStatePath(dataHome(process.env))).then(
    () => process.stdout.write(`[metrics] http://${LOOPBACK}:${port}/metrics\n`),
    (error: NodeJS.ErrnoException) =>
      fail(
        error.code === 'EADDRINUSE'
          ? `port ${port} is taken: choose another with webui-tune --metrics PORT`
          : error.message,
      ),
  );
}
