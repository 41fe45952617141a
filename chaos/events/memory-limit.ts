import { untilGone } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import type { ProcessInfo } from '../../src/base/machine/process-table.ts';
import { connectTo } from '../../src/bench/client/connections.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { type Cluster, servingPids, workerOf } from '../../test/kit/cluster.ts';
import type { ChaosEvent, Form, Site } from '../event.ts';
import { createFunction } from '../functions.ts';
import { MEMORY_LIMIT } from '../preset.ts';

/** MiB of private memory that each worker takes at once: beyond its limit, and below twice that (memory-limit.ts). */
const TAKEN = MEMORY_LIMIT + 150;

/** How many workers of one instance do so, one after the other. The next one lives twice as long. */
const LIVES: Record<Form, number> = { long: 4, short: 2 };

/** Seconds that the first of them must have served at least. */
const FIRST_LIFE = 10;
const REPLACED_TIMEOUT_MS = 240_000;

export const memoryLimit: ChaosEvent = {
  name: 'memory-limit',
  title: 'every worker of an instance passes its memory limit at once',
  holds: 'each is replaced after twice the time of the one before, the log says why; nothing is lost',
  runs: { long: 1, short: 1 },
  async run(site) {
    const { cluster, form, workers, say } = site;
    const servesAgainMs: number[] = [];
    const violations: string[] = [];
    const [instance] = await cluster.instances();
    if (!instance) throw new Error('there is no instance');
    const number = instance.pm_id;
    for (let life = 0; life < LIVES[form]; life++) {
      const worker = await workerOfInstance(cluster, number);
      const begun = performance.now();
      await takeMemory(site, worker);
      await untilGone([worker], REPLACED_TIMEOUT_MS);
      const seconds = (performance.now() - begun) / 1000;
      await cluster.untilServing(workers);
      servesAgainMs.push(performance.now() - begun);
      const least = life === 0 ? 0 : FIRST_LIFE * 2 ** life;
      say(`worker ${life + 1} of ${LIVES[form]} is replaced after ${seconds.toFixed(0)} s`);
      if (seconds < least)
        violations.push(`it was replaced after ${seconds.toFixed(0)} s, not after ${least}`);
    }
    if (form === 'long') {
      const logs = await cluster.pm2.run('logs', '--nostream', '--lines', '400');
      if (!/workers reach their limit of \d+ MiB soon after their start/.test(logs))
        violations.push('no log says that workers reach their limit too soon');
    }
    // The next event is to find supervisors with no such memories.
    const former = cluster.pythonWorkers();
    await cluster.pm2.reload(APPS.cluster);
    await untilGone(former, REPLACED_TIMEOUT_MS);
    await cluster.untilServing(workers);
    return { servesAgainMs, violations };
  },
};

/** The worker of an instance, once it serves. */
async function workerOfInstance(cluster: Cluster, number: number): Promise<ProcessInfo> {
  return until(
    async () => {
      const instance = (await cluster.instances()).find(({ pm_id }) => pm_id === number);
      const pid = instance && workerOf(instance);
      const serving = await servingPids(await cluster.controlSocket());
      return cluster.pythonWorkers().find((worker) => worker.pid === pid && serving.includes(worker.pid));
    },
    { what: 'its worker serves', timeoutMs: REPLACED_TIMEOUT_MS, intervalMs: 100 },
  );
}

async function takeMemory({ cluster, ui }: Site, { pid }: ProcessInfo): Promise<void> {
  const line = await connectTo(
    (owner) => owner === pid,
    cluster,
    () => cluster.pythonWorkers(),
  );
  await createFunction(ui, `import os\nKEPT = bytearray(os.urandom(1 << 20)) * ${TAKEN}`, line);
  line.destroy();
}
