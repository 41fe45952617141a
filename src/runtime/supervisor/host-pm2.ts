import { APPS, EXIT_STOPPED_EARLY, MONITOR } from '../contract.ts';
import type { Host } from './host.ts';

/** PM2, by the messages of its agent: lib/God/ClusterMode.js and lib/Worker.js read them. */
export function pm2Host(): Host {
  const configure = (data: object) => process.send?.({ type: 'axm:option:configuration', data });
  return {
    stoppedEarly: EXIT_STOPPED_EARLY,
    ready: () => process.send?.('ready'),
    // `pm2 list` then shows the Python worker's CPU and memory (RSS, shared pages included).
    showPid: (pid) => configure({ pid }),
    // `pm2 describe` and `pm2 monit` show these.
    show: ({
      pid,
      privateMemory,
      sharedMemory,
      level,
      generation,
      stats,
      identity,
      silentPreload,
      lostLog,
    }) =>
      process.send?.({
        type: 'axm:monitor',
        data: {
          [MONITOR.pid]: { value: String(pid) },
          [MONITOR.privateMemory]: { value: privateMemory.toFixed(0), unit: 'MiB' },
          [MONITOR.sharedMemory]: { value: sharedMemory.toFixed(0), unit: 'MiB' },
          [MONITOR.level]: { value: level },
          [MONITOR.generation]: { value: generation },
          ...(stats && {
            [MONITOR.requests]: { value: String(stats.requests) },
            [MONITOR.sockets]: { value: String(stats.sockets) },
            [MONITOR.generating]: { value: String(stats.generating) },
          }),
          [MONITOR.preload]: {
            value:
              silentPreload === undefined ? 'answers' : `has not answered for ${silentPreload.toFixed(0)} s`,
          },
          // PM2 keeps what it was told: it must hear that the log is written again.
          [MONITOR.log]: { value: lostLog ?? 'written' },
          ...(identity && { [MONITOR.identity]: { value: identity } }),
        },
      }),
    // As for `pm2 reloadLogs`: the handler is PM2's own (lib/ProcessContainer.js), in this process.
    reopenLogs: () => process.emit('message', { type: 'log:reload' }, undefined),
    alive: () => {},
    stopping(kept) {
      if (kept === undefined) return;
      // `pm2 reload` prints nothing of ours but the name of the instance that it has stopped.
      configure({ name: `${APPS.cluster}: NOT reloaded, the former worker is kept: ${kept}; see pm2 logs` });
    },
    // PM2 stops an instance with this message where shutdown_with_message is set. For a reload it starts another instance.
    listen: ({ stop }) => {
      process.on('message', (message) => {
        if (message === 'shutdown') stop();
      });
    },
  };
}
