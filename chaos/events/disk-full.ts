import { mkdirSync, readFileSync, rmSync, statfsSync, symlinkSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { untilGone } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { readProcess } from '../../src/base/machine/process-table.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { type Cluster, planCluster } from '../../test/kit/cluster.ts';
import { killWorker } from '../../test/kit/recovery.ts';
import type { ChaosEvent, Site } from '../event.ts';
import { createFunction } from '../functions.ts';
import { giveUpConnectionsOf, randomWorker } from '../victims.ts';

/** Size of the disk for the logs; those of a start take less than a tenth. */
const SIZE = '4m';

/** Milliseconds. A supervisor tries every 10 s to write what it could not write. */
const SAYS_SO_MS = 30_000;
const RECOVERS_MS = 60_000;
const LEAVE_TIMEOUT_MS = 60_000;

/**
 * More lines than workers, because chance decides which worker prints one. Each is longer than what fits into the last
 * page of a log.
 */
const LINES = 40;
const WORDS = 500;

export const diskFull: ChaosEvent = {
  name: 'disk-full',
  title: 'no space left for the logs',
  holds:
    'all keep serving, a killed worker is replaced, a reload works; pm2 describe says so, and logging resumes once there is space',
  runs: { long: 1, short: 1 },
  async start(scope, workers) {
    if (process.getuid?.() !== 0) throw new Error('this event mounts a disk of its own, which needs root');
    const disk = await temporaryFolder(scope, 'disk');
    await execa('mount', ['-t', 'tmpfs', '-o', `size=${SIZE},mode=700`, 'webui-tune-chaos', disk]);
    scope.defer(`the disk at ${disk}`, async () => {
      await execa('umount', [disk]);
    });
    const cluster = await planCluster(scope, { workers });
    // Not PM2's whole folder: PM2's daemon (7.0.4) ends, with everything else, if it cannot write its own log.
    mkdirSync(cluster.pm2.home);
    symlinkSync(disk, logsOf(cluster));
    await cluster.pm2.start(cluster.ecosystemFile);
    await cluster.untilServing(workers);
    return cluster;
  },
  async run(site) {
    const { cluster, load, workers, say } = site;
    const violations: string[] = [];
    const servesAgainMs: number[] = [];
    const before = cluster.pythonWorkers();
    const ballast = join(logsOf(cluster), 'ballast');
    await fill(ballast);
    await sayMuch(site, 'unwritten');
    await load.proceed(50);
    const ended = before.filter(({ pid }) => !readProcess(pid)).length;
    if (ended > 0) violations.push(`${ended} workers ended`);

    const victim = randomWorker(site);
    giveUpConnectionsOf(site, victim);
    const { killToServingMs } = await killWorker(cluster, victim);
    await cluster.untilServing(workers);
    servesAgainMs.push(killToServingMs);
    say(`a killed worker is replaced after ${killToServingMs.toFixed(0)} ms`);
    const former = cluster.pythonWorkers();
    await cluster.pm2.reload(APPS.cluster);
    await untilGone(former, LEAVE_TIMEOUT_MS);
    await cluster.untilServing(workers);
    // The new supervisors must lose log entries too.
    await sayMuch(site, 'unwritten');
    if (statfsSync(logsOf(cluster)).bavail > 0) await fill(ballast);
    const said = await until(async () => (await logStates(cluster)).find((state) => /ENOSPC/.test(state)), {
      what: 'pm2 describe says that the log is lost',
      timeoutMs: SAYS_SO_MS,
      intervalMs: 500,
    }).catch((error: unknown) => violations.push(String(error)));
    say(`pm2 describe: ${said}`);

    rmSync(ballast);
    await until(async () => (await logStates(cluster)).every((state) => state === 'written'), {
      what: 'every log is written again',
      timeoutMs: RECOVERS_MS,
      intervalMs: 500,
    }).catch((error: unknown) => violations.push(String(error)));
    await sayMuch(site, 'written again');
    const logs = (await cluster.instances()).map(({ pm2_env }) => ({
      error: readFileSync(pm2_env.pm_err_log_path, 'utf8'),
      out: readFileSync(pm2_env.pm_out_log_path, 'utf8'),
    }));
    const told = logs.filter(({ error }) =>
      /the log could not be written for \d+ s: ENOSPC/.test(error),
    ).length;
    say(`${told} of ${workers} logs report lost entries`);
    if (told === 0) violations.push('no log reports lost entries');
    if (!logs.some(({ out }) => out.includes('written again'))) violations.push('logging does not resume');
    return { servesAgainMs, violations };
  },
};

/** Writes until the kernel reports that no space is left. */
async function fill(path: string): Promise<void> {
  for (const size of [1 << 16, 1]) {
    const block = Buffer.alloc(size);
    try {
      for (;;) await appendFile(path, block);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}

async function sayMuch({ ui }: Site, words: string): Promise<void> {
  for (let line = 0; line < LINES; line++)
    await createFunction(ui, `print("${words} " * ${WORDS}, flush=True)`);
}

const logsOf = (cluster: Cluster) => join(cluster.pm2.home, 'logs');

/** What `pm2 describe` shows of each instance's log. */
async function logStates(cluster: Cluster): Promise<string[]> {
  return (await cluster.instances()).map(({ pm2_env }) => String(pm2_env.axm_monitor.Log?.value));
}
