import { execFile } from 'node:child_process';
import type { Host } from './host.ts';

/** systemd's own program sends the messages: Node has no UNIX datagram sockets. */
const NOTIFY = 'systemd-notify';

/** Share of the watchdog's time between two signs of life: half, as sd_watchdog_enabled(3) recommends. */
const WATCHDOG_SHARE = 0.5;

/** systemd, by sd_notify(3): the unit has Type=notify and NotifyAccess=all. */
export function systemdHost(env: NodeJS.ProcessEnv): Host {
  const watchdogMs = (Number(env.WATCHDOG_USEC) / 1000) * WATCHDOG_SHARE;
  let lastSign = performance.now();
  let queue = Promise.resolve();

  /** One message after the other, so that the last one is what systemd shows. A failure is left for systemd to notice. */
  function tell(...variables: string[]): void {
    queue = queue.then(
      () => new Promise((resolve) => execFile(NOTIFY, ['--', ...variables], () => resolve())),
    );
  }

  return {
    stoppedEarly: 0,
    ready: () => tell('READY=1'),
    showPid: (pid) => tell(`STATUS=worker ${pid} serves`),
    show: ({ pid, privateMemory, sharedMemory, level, generation }) =>
      tell(
        `STATUS=worker ${pid}: ${privateMemory.toFixed(0)} MiB private, ${sharedMemory.toFixed(0)} MiB shared, ` +
          `preload ${level}, generation ${generation}`,
      ),
    // The journal reads them from a pipe: there is no file.
    reopenLogs: () => {},
    alive() {
      if (!(watchdogMs > 0) || performance.now() - lastSign < watchdogMs) return;
      lastSign = performance.now();
      tell('WATCHDOG=1');
    },
    stopping: (kept) =>
      tell('STOPPING=1', `STATUS=${kept === undefined ? 'draining' : `handed over: ${kept}`}`),
    // A restart by systemd would stop the worker first. With this signal, a new one is ready before the old one leaves.
    listen: ({ reload }) => process.on('SIGHUP', reload),
  };
}
