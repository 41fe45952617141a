import { killAll, untilGone } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { readProcess } from '../../src/base/machine/process-table.ts';
import { type ChaosEvent, onlyRefusedMeanwhile, type Site } from '../event.ts';

const LEAVE_TIMEOUT_MS = 90_000;

/** When the daemon is killed. */
interface Moment {
  name: string;
  title: string;
  runs: ChaosEvent['runs'];
  before(site: Site): Promise<void>;
}

export const killDaemon = killDaemonAt({
  name: 'kill-pm2',
  title: 'kill -9 of the PM2 daemon, then pm2 resurrect',
  runs: { long: 3, short: 1 },
  before: async () => {},
});

export const killDaemonDuringImport = killDaemonAt({
  name: 'kill-pm2-import',
  title: 'the same while the preload process imports Open WebUI',
  runs: { long: 2, short: 1 },
  async before({ cluster }) {
    const { pid } = await cluster.preload();
    const imports = async () => (await cluster.preloadLog()).split('importing Open WebUI').length;
    const before = await imports();
    process.kill(pid, 'SIGKILL');
    await until(async () => (await imports()) > before, {
      what: 'the next preload process imports',
      timeoutMs: LEAVE_TIMEOUT_MS,
    });
  },
});

function killDaemonAt(moment: Moment): ChaosEvent {
  return {
    name: moment.name,
    title: moment.title,
    holds: 'all old processes end, no port conflict, no orphan, everything serves again',
    runs: moment.runs,
    async run(site, runs) {
      const { cluster, workers, say } = site;
      const servesAgainMs: number[] = [];
      const violations: string[] = [];
      for (let run = 0; run < runs; run++) {
        await cluster.pm2.run('save', '--force');
        await moment.before(site);
        const tree = cluster.pm2.processes();
        const daemon = tree.find(({ pid }) => pid === cluster.pm2.daemonPid);
        if (!daemon) throw new Error('PM2 has no daemon');
        const begun = performance.now();
        await killAll([daemon]);
        await cluster.pm2.run('resurrect');
        await cluster.untilServing(workers);
        servesAgainMs.push(performance.now() - begun);
        await untilGone(tree, LEAVE_TIMEOUT_MS);
        // The daemon, the preload process, and two processes for each worker.
        const now = cluster.pm2.processes().length;
        if (now !== 2 + 2 * workers) violations.push(`${now} processes run, not ${2 + 2 * workers}`);
        const log = await cluster.preloadLog();
        if (/is taken by/.test(log.slice(log.lastIndexOf('importing Open WebUI')))) {
          violations.push('the port was still in use');
        }
        const adopted = cluster.processes().filter(({ pid, ppid }) => ppid === 1 && readProcess(pid));
        if (adopted.length > 0) violations.push(`orphans: ${adopted.map(({ pid }) => pid).join(', ')}`);
        say(`daemon killed ${run + 1} of ${runs}`);
      }
      return { servesAgainMs, violations };
    },
    // Nothing serves between the end of the old processes and the start of the new ones.
    judge: onlyRefusedMeanwhile,
  };
}
