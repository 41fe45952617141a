import { randomUUID } from 'node:crypto';
import type { Scope } from '../../src/base/io/scope.ts';
import { untilGone } from '../../src/base/io/started.ts';
import { formatBytes, MIB } from '../../src/base/units.ts';
import { OneConnection } from '../../src/bench/client/http.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { Cgroup } from '../../test/kit/cgroup.ts';
import { planCluster, planOf } from '../../test/kit/cluster.ts';
import { startServices } from '../../test/kit/services.ts';
import type { ChaosEvent, Form, Site } from '../event.ts';
import { slowUpload } from '../upload.ts';

/** MiB: the first attempt, and the steps. */
const LEAST = 768;
const STEP = 128;

const SECONDS: Record<Form, number> = { long: 120, short: 20 };
/** Uploads at the same time: some are read and embedded, some come over a slow connection. */
const DOCUMENTS = 3;
const SLOW_LINES = 3;
/** Seconds of an upload over a slow connection. It has to end within the drain time of a worker. */
const SLOW_SECONDS = 20;
/** Size of a document in bytes. */
const DOCUMENT = 300_000;
const LEAVE_TIMEOUT_MS = 90_000;

export function memoryPressure(): ChaosEvent {
  let cgroup: Cgroup;
  let planned: { limit: number; predicted: number };
  return {
    name: 'memory-pressure',
    title: 'a memory cgroup of the planned size, full load, uploads, and a reload meanwhile',
    holds: 'no OOM kill, no request fails, no upload is lost',
    runs: { long: 1, short: 1 },
    async start(scope, workers) {
      const { plan, services, args } = await leastPlan(scope, workers);
      // The services run outside of the cgroup, so their share of the plan does not belong to it.
      const limit = plan.memory.from.bytes - plan.memory.services;
      planned = { limit, predicted: plan.memory.predicted };
      const made = Cgroup.make(scope, 'chaos', { memory: limit });
      if (!made) throw new Error('a memory cgroup cannot be made: this needs root, or a delegated cgroup');
      cgroup = made;
      const cluster = await planCluster(scope, { workers, args, services });
      // This process starts PM2's daemon, which starts everything else.
      await cgroup.inside(() => cluster.pm2.run('ping'));
      await cluster.pm2.start(cluster.ecosystemFile);
      await cluster.untilServing(workers);
      return cluster;
    },
    async run(site) {
      const { cluster, form, load, say } = site;
      const violations: string[] = [];
      const outside = cluster.pm2.processes().filter(({ pid }) => !cgroup.has(pid));
      if (outside.length > 0) throw new Error(`${outside.length} processes are not in the cgroup`);
      const before = cluster.pythonWorkers();
      const until = performance.now() + SECONDS[form] * 1000;
      const uploads = Promise.allSettled([
        ...Array.from({ length: DOCUMENTS }, () => uploadDocuments(site, until)),
        ...Array.from({ length: SLOW_LINES }, () => uploadSlowly(site, until)),
      ]);
      await load.proceed(50);
      const begun = performance.now();
      // The most that is planned: an additional worker while another finishes its answers.
      await cluster.pm2.reload(APPS.cluster);
      const servesAgainMs = performance.now() - begun;
      await untilGone(before, LEAVE_TIMEOUT_MS);
      const outcomes = await uploads;
      const lost = outcomes.flatMap((outcome) =>
        outcome.status === 'rejected' ? [String(outcome.reason)] : [],
      );
      if (lost.length > 0) violations.push(`${lost.length} uploads failed: ${lost[0]}`);
      const done = outcomes.reduce(
        (sum, outcome) => sum + (outcome.status === 'fulfilled' ? outcome.value : 0),
        0,
      );
      await load.proceed(50);
      const { oomKills, limitHits, peak } = cgroup.pressure();
      say(
        `limit ${formatBytes(planned.limit)}, predicted ${formatBytes(planned.predicted)}, ` +
          `peak ${peak === undefined ? 'unknown' : formatBytes(peak)}; the limit was reached ${limitHits} times; ` +
          `${oomKills} OOM kills; ${done} uploads`,
      );
      if (oomKills > 0) violations.push(`the kernel killed ${oomKills} processes because memory ran out`);
      if (peak !== undefined && peak < 0.2 * planned.limit)
        violations.push(`only ${peak / MIB} MiB were used`);
      return { servesAgainMs: [servesAgainMs], violations };
    },
  };
}

/** The plan with the least memory that still has `workers` workers. */
async function leastPlan(scope: Scope, workers: number) {
  const services = await startServices(scope);
  for (let mib = LEAST; ; mib += STEP) {
    const args = ['--memory', `${mib}MiB`];
    const plan = await planOf(await planCluster(scope, { workers, args, services }));
    if (plan.workers === workers) return { plan, services, args };
  }
}

/** Uploads one document after another; each is read, split and embedded. Returns how many. */
async function uploadDocuments({ ui }: Site, until: number): Promise<number> {
  let done = 0;
  while (performance.now() < until) {
    const name = randomUUID();
    await ui.upload(`${name}.txt`, `Line ${name} of a long document.\n`.repeat(DOCUMENT / 60));
    done += 1;
  }
  return done;
}

async function uploadSlowly({ ui }: Site, until: number): Promise<number> {
  let done = 0;
  for (; performance.now() < until; done++) {
    const line = new OneConnection();
    const { status, seconds } = await slowUpload(ui, SLOW_SECONDS, line);
    line.destroy();
    if (status !== 200) throw new Error(`a slow upload ended with ${status} after ${seconds.toFixed(0)} s`);
  }
  return done;
}
