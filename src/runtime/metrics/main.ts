/** The app that PM2 or systemd runs beside the workers where metrics are asked for. */

import { ENV, EXIT_CANNOT_BOOT } from '../contract.ts';
import { METRICS_HOST, startMetrics } from './server.ts';

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
  startMetrics(controlSocket, Number(port)).then(
    () => process.stdout.write(`[metrics] http://${METRICS_HOST}:${port}/metrics\n`),
    (error: NodeJS.ErrnoException) =>
      fail(
        error.code === 'EADDRINUSE'
          ? `port ${port} is taken: choose another with webui-tune --metrics PORT`
          : error.message,
      ),
  );
}
