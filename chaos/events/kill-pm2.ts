import { readProcess } from '../../test/kit/proc.ts';
import { killAll, untilGone } from '../../test/kit/processes.ts';
import type { ChaosEvent } from '../event.ts';

const LEAVE_TIMEOUT_MS = 90_000;

export const killDaemon: ChaosEvent = {
  name: 'kill-pm2',
  title: 'kill -9 of the PM2 daemon, then pm2 resurrect',
  holds: 'the old tree leaves, no port conflict, no orphan, the service is back',
  runs: { long: 3, short: 1 },
  async run({ cluster, workers, say }, runs) {
    const servesAgainMs: number[] = [];
    const violations: string[] = [];
    for (let run = 0; run < runs; run++) {
      await cluster.pm2.run('save', '--force');
      const tree = cluster.pm2.processes();
      const daemon = tree.find(({ pid }) => pid === cluster.pm2.daemonPid);
      if (!daemon) throw new Error('PM2 has no daemon');
      const begun = performance.now();
      await killAll([daemon]);
      await cluster.pm2.run('resurrect');
      await cluster.untilServing(workers);
      servesAgainMs.push(performance.now() - begun);
      await untilGone(tree, LEAVE_TIMEOUT_MS);
      // The daemon, the preload process, and two processes a worker.
      const now = cluster.pm2.processes().length;
      if (now !== 2 + 2 * workers) violations.push(`${now} processes run, not ${2 + 2 * workers}`);
      const log = await cluster.preloadLog();
      if (/is taken by/.test(log.slice(log.lastIndexOf('importing Open WebUI')))) {
        violations.push('the port was taken');
      }
      const adopted = cluster.processes().filter(({ pid, ppid }) => ppid === 1 && readProcess(pid));
      if (adopted.length > 0) violations.push(`orphans: ${adopted.map(({ pid }) => pid).join(', ')}`);
      say(`daemon killed ${run + 1} of ${runs}`);
    }
    return { servesAgainMs, violations };
  },
  // Between the end of the old tree and the start of the new one nothing serves.
  judge: ({ socketsLost, cut }) => [
    ...(socketsLost > 0 ? [`${socketsLost} sockets did not come back`] : []),
    ...(cut.length > 0 ? [`${cut.length} answers were cut: ${cut.slice(0, 3).join('; ')}`] : []),
  ],
};
