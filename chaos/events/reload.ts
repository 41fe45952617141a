import { untilGone } from '../../src/base/io/started.ts';
import { APPS } from '../../src/runtime/contract.ts';
import type { ChaosEvent } from '../event.ts';

const LEAVE_TIMEOUT_MS = 60_000;

export const reload: ChaosEvent = {
  name: 'reload',
  title: 'pm2 reload open-webui',
  holds: 'no request fails, no answer is cut, sockets reconnect to another worker',
  runs: { long: 20, short: 2 },
  async run({ cluster, load, workers, say }, runs) {
    const servesAgainMs: number[] = [];
    for (let run = 0; run < runs; run++) {
      const former = cluster.pythonWorkers();
      const begun = performance.now();
      await cluster.pm2.reload(APPS.cluster);
      servesAgainMs.push(performance.now() - begun);
      await untilGone(former, LEAVE_TIMEOUT_MS);
      await load.proceed(20);
      say(`reload ${run + 1} of ${runs}`);
    }
    await cluster.untilServing(workers);
    return { servesAgainMs, violations: [] };
  },
};
