import { type Sentinel, startSentinel } from '../../test/kit/sentinel.ts';
import type { ChaosEvent } from '../event.ts';
import { onlyFailedMeanwhile, watchOutage } from '../outage.ts';

const GOES_ON_MS = 10_000;

/** Of them the sentinels need some 4.5 s to agree and to promote the replica (down-after-milliseconds 3000). */
export function sentinelFailover(): ChaosEvent {
  let sentinel: Sentinel;
  return {
    name: 'sentinel',
    title: 'kill -9 of the Redis master; Redis Sentinel fails over',
    holds: 'live updates and chats go on within 10 s, no worker dies, none refused',
    runs: { long: 1, short: 1 },
    async cluster(scope) {
      sentinel = await startSentinel(scope);
      return { settings: sentinel.settings };
    },
    run: (site) =>
      watchOutage(site, {
        service: 'Redis',
        limitMs: GOES_ON_MS,
        async happen() {
          const since = performance.now();
          const port = await sentinel.killMaster();
          site.say(
            `the sentinels name another master after ${(await sentinel.untilFailedOver(port)).toFixed(0)} ms`,
          );
          return since;
        },
      }),
    judge: onlyFailedMeanwhile,
  };
}
