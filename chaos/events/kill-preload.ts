import { untilGone } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { isAlive } from '../../src/base/machine/process-table.ts';
import { APPS } from '../../src/runtime/contract.ts';
import type { ChaosEvent } from '../event.ts';

const ROLLED_TIMEOUT_MS = 240_000;

export const killPreload: ChaosEvent = {
  name: 'kill-preload',
  title: 'kill -9 and restart of the preload process',
  holds: 'workers keep serving, the new generation replaces them one by one, no request fails',
  runs: { long: 3, short: 1 },
  async run({ cluster, load, workers, say }, runs) {
    const servesAgainMs: number[] = [];
    const violations: string[] = [];
    for (let run = 0; run < runs; run++) {
      const former = cluster.pythonWorkers();
      const begun = performance.now();
      const { pid } = await cluster.preload();
      process.kill(pid, 'SIGKILL');
      await load.proceed(20);
      const stayed = former.filter((worker) => cluster.pythonWorkers().some(({ pid }) => pid === worker.pid));
      if (stayed.length < workers) violations.push(`${workers - stayed.length} workers ended with it`);
      await until(() => !former.every(isAlive), {
        what: 'the new generation has replaced a worker',
        timeoutMs: ROLLED_TIMEOUT_MS,
      });
      const imported = (performance.now() - begun) / 1000;
      await untilGone(former, ROLLED_TIMEOUT_MS);
      await cluster.untilServing(workers);
      servesAgainMs.push(performance.now() - begun);
      const rolled = (performance.now() - begun) / 1000;
      say(
        `${APPS.preload} killed ${run + 1} of ${runs}: ` +
          `the first worker is replaced after ${imported.toFixed(1)} s, all ${workers} after ${rolled.toFixed(1)} s`,
      );
    }
    return { servesAgainMs, violations };
  },
};
