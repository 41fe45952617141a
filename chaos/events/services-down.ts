import { setTimeout as sleep } from 'node:timers/promises';
import type { ChaosEvent, Form } from '../event.ts';
import { onlyFailedMeanwhile, watchOutage } from '../outage.ts';
import type { HighlyAvailable, OwnRedis } from '../services.ts';

/** Milliseconds that the service is away. */
const AWAY_MS: Record<Form, number> = { long: 20_000, short: 5_000 };

/** Milliseconds from its return; the short form runs beside other tests' servers. */
const RECOVERS_MS: Record<Form, number> = { long: 5_000, short: 15_000 };
const HOLDS = 'no worker dies, it recovers within 5 s of the return, two lines in each log, none refused';

export function redisDown(redis: OwnRedis): ChaosEvent {
  return {
    name: 'redis-down',
    title: 'Redis is down for 20 s',
    holds: HOLDS,
    runs: { long: 1, short: 1 },
    start: redis.start,
    run: (site) =>
      watchOutage(site, {
        service: 'Redis',
        limitMs: RECOVERS_MS[site.form],
        async happen() {
          await redis.away(site.scope, () => sleep(AWAY_MS[site.form]));
          return performance.now();
        },
      }),
    judge: onlyFailedMeanwhile,
  };
}

export function postgresDown(services: HighlyAvailable): ChaosEvent {
  return {
    name: 'postgres-down',
    title: 'PostgreSQL is down for 20 s',
    holds: HOLDS,
    runs: { long: 1, short: 1 },
    start: services.start,
    run: (site) =>
      watchOutage(site, {
        service: 'the database',
        limitMs: RECOVERS_MS[site.form],
        async happen() {
          await services.postgres.stop();
          await sleep(AWAY_MS[site.form]);
          await services.postgres.start();
          return performance.now();
        },
      }),
    judge: onlyFailedMeanwhile,
  };
}
