import { APPS } from '../contract.ts';
import type { Host } from './host.ts';

/** PM2, by the messages of its agent: lib/God/ClusterMode.js and lib/Worker.js read them. */
export function pm2Host(): Host {
  const configure = (data: object) => process.send?.({ type: 'axm:option:configuration', data });
  return {
    ready: () => process.send?.('ready'),
    // `pm2 list` then shows the Python worker's CPU and memory (RSS, shared pages included).
    showPid: (pid) => configure({ pid }),
    // `pm2 describe` and `pm2 monit` show these.
    show: ({ pid, privateMemory, sharedMemory, level, generation, stats, identity, lostLog }) =>
      process.send?.({
        type: 'axm:monitor',
        data: {
          'Worker pid': { value: String(pid) },
          'Private memory': { value: privateMemory.toFixed(0), unit: 'MiB' },
          'Shared memory': { value: sharedMemory.toFixed(0), unit: 'MiB' },
          'Preload level': { value: level },
          Generation: { value: generation },
          ...(stats && {
            Requests: { value: String(stats.requests) },
            WebSockets: { value: String(stats.sockets) },
            'Answers being generated': { value: String(stats.generating) },
          }),
          // PM2 keeps what was shown once: the return is to be said too.
          Log: { value: lostLog ?? 'written' },
          ...(identity && { Identity: { value: identity } }),
        },
      }),
    // As for `pm2 reloadLogs`: the handler is PM2's own (lib/ProcessContainer.js), in this process.
    reopenLogs: () => process.emit('message', { type: 'log:reload' }, undefined),
    alive: () => {},
    stopping(kept) {
      if (kept === undefined) return;
      // `pm2 reload` prints the name of the instance that it has stopped: the only words of ours that it prints.
      configure({ name: `${APPS.cluster}: NOT reloaded, the former worker is kept: ${kept}; see pm2 logs` });
    },
    // Where shutdown_with_message is set, PM2 stops an instance with this. It reloads by starting another instance.
    listen: ({ stop }) => {
      process.on('message', (message) => {
        if (message === 'shutdown') stop();
      });
    },
  };
}
