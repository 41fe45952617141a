import { mkdirSync, readFileSync, rmSync, statfsSync, symlinkSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { APPS } from '../../src/runtime/contract.ts';
import { type Cluster, planCluster } from '../../test/kit/cluster.ts';
import { readProcess } from '../../test/kit/proc.ts';
import { untilGone } from '../../test/kit/processes.ts';
import { killWorker } from '../../test/kit/recovery.ts';
import { temporaryFolder } from '../../test/kit/temp.ts';
import { until } from '../../test/kit/wait.ts';
import type { ChaosEvent, Site } from '../event.ts';
import { createFunction } from '../functions.ts';
import { giveUpConnectionsOf, randomWorker } from '../victims.ts';

/** Room for the logs: those of a start take less than a tenth. */
const SIZE = '4m';

/** A supervisor looks every 10 s at what it could not write. */
const SAYS_SO_MS = 30_000;
const RECOVERS_MS = 60_000;
const LEAVE_TIMEOUT_MS = 60_000;

/** More than there are workers, each of which is hit by chance; each longer than what a log's last page may hold yet. */
const LINES = 40;
const WORDS = 500;

export const diskFull: ChaosEvent = {
  name: 'disk-full',
  title: 'no space left for the logs',
  holds:
    'all serve on, a killed worker is replaced, a reload works; it says so, and logs again once there is space',
  runs: { long: 1, short: 1 },
  async start(scope, workers) {
    if (process.getuid?.() !== 0) throw new Error('a disk of its own takes a mount, and that takes root');
    const disk = await temporaryFolder(scope, 'disk');
    await execa('mount', ['-t', 'tmpfs', '-o', `size=${SIZE},mode=700`, 'webui-tune-chaos', disk]);
    scope.defer(`the disk at ${disk}`, async () => {
      await execa('umount', [disk]);
    });
    const cluster = await planCluster(scope, { workers });
    // Not PM2's whole folder: its daemon ends itself where it cannot write its own log (7.0.4), and all goes with it.
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
    // The new supervisors too have something to lose.
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
    say(`${told} of ${workers} logs tell of what is lost`);
    if (told === 0) violations.push('no log tells of what is lost');
    if (!logs.some(({ out }) => out.includes('written again'))) violations.push('nothing is logged any more');
    return { servesAgainMs, violations };
  },
};

/** Writes until the kernel says that there is no space left. */
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
