import { killAll, signal, untilGone } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import type { ProcessInfo } from '../../src/base/machine/process-table.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { type Cluster, servingPids } from '../../test/kit/cluster.ts';
import type { ChaosEvent, Site } from '../event.ts';
import { HANG_SECONDS } from '../preset.ts';
import { giveUpConnectionsOf, randomWorker } from '../victims.ts';

const FORKED_TIMEOUT_MS = 60_000;
/** Milliseconds beyond `hangSeconds`, and until a reload has tried again for each worker. */
const REPLACED_TIMEOUT_MS = 60_000;
const RELOADED_TIMEOUT_MS = 240_000;

/** A start-up takes 0.3 s, in which the new process has to be found. */
const LOOK_MS = 5;

export const hangingStart: ChaosEvent = {
  name: 'hanging-start',
  title: 'a worker is stopped (SIGSTOP) right after its fork, after a kill and during a reload',
  holds: 'it is killed after hangSeconds, another serves in its place, and a reload ends; nothing is lost',
  runs: { long: 2, short: 1 },
  async run(site, runs) {
    const { cluster, workers, form, say } = site;
    const servesAgainMs: number[] = [];
    const violations: string[] = [];
    for (let run = 0; run < runs; run++) {
      const stopped = await stopSuccessor(site);
      const begun = performance.now();
      await untilGone([stopped], HANG_SECONDS[form] * 1000 + REPLACED_TIMEOUT_MS);
      await cluster.untilServing(workers);
      servesAgainMs.push(performance.now() - begun);
      const logs = await cluster.pm2.run('logs', '--nostream', '--lines', '200');
      if (!/was stopped \(SIGSTOP\) for \d+ s in its start-up/.test(logs))
        violations.push('no log says that it was stopped');
      if (form === 'long') servesAgainMs.push(await reload(site));
      say(`run ${run + 1} of ${runs}`);
    }
    return { servesAgainMs, violations };
  },
};

/** Kills a worker, and stops the one that is to take its place before it serves. */
async function stopSuccessor(site: Site): Promise<ProcessInfo> {
  const { cluster, workers } = site;
  for (;;) {
    const before = cluster.pythonWorkers();
    const victim = randomWorker(site);
    giveUpConnectionsOf(site, victim);
    await killAll([victim]);
    const next = await stopNext(cluster, before);
    if (!(await hasServed(cluster, next))) return next;
    // It was too late: this one would be a worker that hangs.
    signal(next, 'SIGCONT');
    await cluster.untilServing(workers);
  }
}

/** Milliseconds of a reload whose first new worker is stopped in its start-up. */
async function reload({ cluster, workers }: Site): Promise<number> {
  const former = cluster.pythonWorkers();
  const begun = performance.now();
  const reloading = cluster.pm2.reload(APPS.cluster);
  await stopNext(cluster, former);
  await reloading;
  // The instance keeps its former worker until the next attempt.
  await untilGone(former, RELOADED_TIMEOUT_MS);
  await cluster.untilServing(workers);
  return performance.now() - begun;
}

async function stopNext(cluster: Cluster, before: readonly ProcessInfo[]): Promise<ProcessInfo> {
  const next = await until(
    () => cluster.pythonWorkers().find(({ pid }) => !before.some((worker) => worker.pid === pid)),
    { what: 'another worker is forked', timeoutMs: FORKED_TIMEOUT_MS, intervalMs: LOOK_MS },
  );
  signal(next, 'SIGSTOP');
  return next;
}

async function hasServed(cluster: Cluster, { pid }: ProcessInfo): Promise<boolean> {
  return (await servingPids(await cluster.controlSocket())).includes(pid);
}
