import { killWorker } from '../../test/kit/recovery.ts';
import type { ChaosEvent, Form } from '../event.ts';
import { giveUpConnectionsOf, randomWorker } from '../victims.ts';

/** Milliseconds. The short form runs beside other tests; cluster.test.ts requires one second, under a lighter load. */
const SERVES_AGAIN_MS: Record<Form, number> = { long: 1_000, short: 3_000 };

export const killAnyWorker: ChaosEvent = {
  name: 'kill-worker',
  title: 'kill -9 of a random worker',
  holds:
    'only requests in flight on it fail, none is refused, it serves again within 1 s, other answers are complete',
  runs: { long: 20, short: 3 },
  async run(site, runs) {
    const { cluster, load, workers, form, say } = site;
    const servesAgainMs: number[] = [];
    for (let run = 0; run < runs; run++) {
      const victim = randomWorker(site);
      giveUpConnectionsOf(site, victim);
      const { killToServingMs } = await killWorker(cluster, victim);
      servesAgainMs.push(killToServingMs);
      await cluster.untilServing(workers);
      await load.proceed(50);
      say(`kill ${run + 1} of ${runs}: serves again after ${killToServingMs.toFixed(0)} ms`);
    }
    const late = servesAgainMs.filter((ms) => ms > SERVES_AGAIN_MS[form]);
    return {
      servesAgainMs,
      violations: late.map((ms) => `it served again only after ${ms.toFixed(0)} ms`),
    };
  },
};
