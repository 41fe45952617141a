import { killAll, untilGone } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { readProcess } from '../../src/base/machine/process-table.ts';
import { APPS } from '../../src/runtime/contract.ts';
import type { ChaosEvent } from '../event.ts';

const LEAVE_TIMEOUT_MS = 90_000;

export const killSupervisor: ChaosEvent = {
  name: 'kill-supervisor',
  title: 'kill -9 of a supervisor',
  holds: 'its Python worker drains and ends, another replaces it, no request fails, none is refused',
  runs: { long: 5, short: 1 },
  async run({ cluster, load, workers, say }, runs) {
    const servesAgainMs: number[] = [];
    for (let run = 0; run < runs; run++) {
      const instances = await cluster.instances();
      const victim = instances[run % instances.length];
      const worker = victim && readProcess(Number((await cluster.workerPids()).get(victim.pm_id)));
      const supervisor = victim && readProcess(victim.pid);
      if (!supervisor || !worker) throw new Error('there is no supervisor to kill');
      const online = cluster.pm2.timesOnline(APPS.cluster);
      const begun = performance.now();
      await killAll([supervisor]);
      await until(() => cluster.pm2.timesOnline(APPS.cluster) > online, {
        what: 'another supervisor has a worker that serves',
        timeoutMs: LEAVE_TIMEOUT_MS,
      });
      servesAgainMs.push(performance.now() - begun);
      await untilGone([worker], LEAVE_TIMEOUT_MS);
      await cluster.untilServing(workers);
      await load.proceed(50);
      say(`kill ${run + 1} of ${runs}`);
    }
    return { servesAgainMs, violations: [] };
  },
};
