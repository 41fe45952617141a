import { setTimeout as sleep } from 'node:timers/promises';
import { killAll, signal, untilGone } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { isAlive, type ProcessInfo, readProcess } from '../../src/base/machine/process-table.ts';
import { MONITOR } from '../../src/runtime/contract.ts';
import type { Cluster } from '../../test/kit/cluster.ts';
import type { ChaosEvent, Form, Site } from '../event.ts';
import { HANG_SECONDS } from '../preset.ts';
import { giveUpConnectionsOf, randomWorker } from '../victims.ts';

/** Milliseconds for which it is stopped, less than what counts as hanging. */
const STOPPED_MS: Record<Form, number> = { long: 20_000, short: 3_000 };

/** Milliseconds. It is killed after four times `hangSeconds`, and the next generation replaces all workers. */
const NOTICED_TIMEOUT_MS = 60_000;
const ROLLED_TIMEOUT_MS = 300_000;

export const stoppedPreload: ChaosEvent = {
  name: 'stopped-preload',
  title: 'SIGSTOP of the preload process for 20 s, a worker killed meanwhile; then until it is found',
  holds:
    'others keep serving, the killed worker is replaced on SIGCONT; if it stays stopped, log and pm2 describe say so and it is replaced',
  runs: { long: 1, short: 1 },
  async run(site) {
    const violations: string[] = [];
    const servesAgainMs = [await stopForAWhile(site, violations)];
    if (site.form === 'long') servesAgainMs.push(await stopForGood(site, violations));
    return { servesAgainMs, violations };
  },
};

/** Milliseconds from SIGCONT until all workers serve. */
async function stopForAWhile(site: Site, violations: string[]): Promise<number> {
  const { cluster, load, workers, form } = site;
  const preload = await preloadOf(cluster);
  const before = cluster.pythonWorkers();
  const victim = randomWorker(site);
  signal(preload, 'SIGSTOP');
  try {
    giveUpConnectionsOf(site, victim);
    await killAll([victim]);
    await sleep(STOPPED_MS[form]);
    await load.proceed(50);
  } finally {
    signal(preload, 'SIGCONT');
  }
  const begun = performance.now();
  await cluster.untilServing(workers);
  const servesAgainMs = performance.now() - begun;
  if (!isAlive(preload)) violations.push('the preload process was replaced');
  const ended = before.filter((worker) => worker.pid !== victim.pid && !isAlive(worker)).length;
  if (ended > 0) violations.push(`${ended} other workers ended`);
  return servesAgainMs;
}

/** Milliseconds from SIGSTOP until all workers are of the next generation. */
async function stopForGood({ cluster, form, workers, say }: Site, violations: string[]): Promise<number> {
  const preload = await preloadOf(cluster);
  const former = cluster.pythonWorkers();
  const begun = performance.now();
  const spent = () => ((performance.now() - begun) / 1000).toFixed(0);
  signal(preload, 'SIGSTOP');
  await until(async () => (await shownOf(cluster)).every((text) => /has not answered for \d+ s/.test(text)), {
    what: 'pm2 describe of each instance says that the preload process does not answer',
    timeoutMs: HANG_SECONDS[form] * 1000 + NOTICED_TIMEOUT_MS,
    intervalMs: 500,
  });
  say(`pm2 describe says so after ${spent()} s`);
  const logs = await cluster.pm2.run('logs', '--nostream', '--lines', '100');
  if (!/the preload process has not answered for \d+ s/.test(logs)) violations.push('no log says so');
  if (former.some((worker) => !isAlive(worker))) violations.push('a worker ended before it was found');
  await untilGone([preload], ROLLED_TIMEOUT_MS);
  say(`it is killed after ${spent()} s`);
  await untilGone(former, ROLLED_TIMEOUT_MS);
  await cluster.untilServing(workers);
  return performance.now() - begun;
}

async function preloadOf(cluster: Cluster): Promise<ProcessInfo> {
  const preload = readProcess((await cluster.preload()).pid);
  if (!preload) throw new Error('the preload process does not run');
  return preload;
}

/** What `pm2 describe` shows of each instance's preload process. */
async function shownOf(cluster: Cluster): Promise<string[]> {
  return (await cluster.instances()).map(({ pm2_env }) =>
    String(pm2_env.axm_monitor[MONITOR.preload]?.value),
  );
}
