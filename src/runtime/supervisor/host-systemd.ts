import { execFile } from 'node:child_process';
import type { Host } from './host.ts';

/** Messages go to systemd by its own program: Node has no UNIX datagram sockets. */
const NOTIFY = 'systemd-notify';

/** Of the watchdog's time, how much passes until the next sign of life (sd_watchdog_enabled(3) recommends half). */
const WATCHDOG_SHARE = 0.5;

/** systemd, by sd_notify(3): the unit has Type=notify and NotifyAccess=all. */
export function systemdHost(env: NodeJS.ProcessEnv): Host {
  const watchdogMs = (Number(env.WATCHDOG_USEC) / 1000) * WATCHDOG_SHARE;
  let lastSign = performance.now();
  let queue = Promise.resolve();

  /** One after the other, so that what is said last is what is shown. What fails is systemd's to notice. */
  function tell(...variables: string[]): void {
    queue = queue.then(
      () => new Promise((resolve) => execFile(NOTIFY, ['--', ...variables], () => resolve())),
    );
  }

  return {
    ready: () => tell('READY=1'),
    showPid: (pid) => tell(`STATUS=worker ${pid} serves`),
    show: ({ pid, privateMemory, sharedMemory, level, generation }) =>
      tell(
        `STATUS=worker ${pid}: ${privateMemory.toFixed(0)} MiB private, ${sharedMemory.toFixed(0)} MiB shared, ` +
          `preload ${level}, generation ${generation}`,
      ),
    // Its journal takes them, from a pipe.
    reopenLogs: () => {},
    alive() {
      if (!(watchdogMs > 0) || performance.now() - lastSign < watchdogMs) return;
      lastSign = performance.now();
      tell('WATCHDOG=1');
    },
    stopping: (kept) =>
      tell('STOPPING=1', `STATUS=${kept === undefined ? 'draining' : `handed over: ${kept}`}`),
    // systemd would stop the worker and start another; by this signal a new one is ready first.
    listen: ({ reload }) => process.on('SIGHUP', reload),
  };
}
