import { type ChaosEvent, type Form, onlyFailedMeanwhile } from '../event.ts';
import { watchOutage } from '../outage.ts';
import type { HighlyAvailable } from '../services.ts';

/**
 * Milliseconds. The short form runs beside other tests' servers, and took 13.9 s at a load average of 11 on two cores.
 * The sentinels need some 4.5 s of that to agree and to promote the replica (down-after-milliseconds 3000).
 */
const GOES_ON_MS: Record<Form, number> = { long: 10_000, short: 25_000 };

export function sentinelFailover(services: HighlyAvailable): ChaosEvent {
  return {
    name: 'sentinel',
    title: 'kill -9 of the Redis master; Redis Sentinel fails over',
    holds: 'live updates and chats work again within 10 s, no worker dies, none refused, no answer cut',
    runs: { long: 1, short: 1 },
    start: services.start,
    run: (site) =>
      watchOutage(site, {
        service: 'Redis',
        limitMs: GOES_ON_MS[site.form],
        async happen() {
          const since = performance.now();
          const port = await services.sentinel.killMaster();
          site.say(
            `the sentinels name another master after ${(await services.sentinel.untilFailedOver(port)).toFixed(0)} ms`,
          );
          return since;
        },
      }),
    judge: onlyFailedMeanwhile,
  };
}
