import { setTimeout as sleep } from 'node:timers/promises';
import { type ChaosEvent, type Form, onlyFailedMeanwhile, type Site, type Start } from '../event.ts';
import { type Outage, watchOutage } from '../outage.ts';
import { dropPackets } from '../packets.ts';
import type { HighlyAvailable, OwnRedis } from '../services.ts';

/** Milliseconds for which the service is down. */
const DOWN_MS: Record<Form, number> = { long: 20_000, short: 5_000 };

/** Milliseconds for which packets are dropped: longer than any of the timeouts that end a connection. */
const DROPPED_MS: Record<Form, number> = { long: 60_000, short: 15_000 };

/** Seconds from its return. TCP's own back-off would take as long again as packets were dropped. */
const [AFTER_DOWN, AFTER_DROPPED] = [5, 10];

/** The short form runs beside other tests' servers. */
const SHORT_RECOVERS_MS = 15_000;

interface Loss {
  name: string;
  title: string;
  service: Outage['service'];
  start: Start;
  /** Seconds from the return of the service until everything works. */
  recovers: number;
  /** Takes the service away, and gives it back. */
  away(site: Site): Promise<void>;
}

function lossOf({ name, title, service, start, recovers, away }: Loss): ChaosEvent {
  return {
    name,
    title,
    holds: `no worker dies, it recovers within ${recovers} s of the return, two lines in each log, none refused, no answer cut`,
    runs: { long: 1, short: 1 },
    start,
    run: (site) =>
      watchOutage(site, {
        service,
        limitMs: site.form === 'short' ? SHORT_RECOVERS_MS : recovers * 1000,
        async happen() {
          await away(site);
          return performance.now();
        },
      }),
    judge: onlyFailedMeanwhile,
  };
}

async function dropFor({ scope, form }: Site, port: number): Promise<void> {
  const pass = await dropPackets(scope, port);
  await sleep(DROPPED_MS[form]);
  await pass();
}

export function redisDown(redis: OwnRedis): ChaosEvent {
  return lossOf({
    name: 'redis-down',
    title: 'Redis is down for 20 s',
    service: 'Redis',
    start: redis.start,
    recovers: AFTER_DOWN,
    away: ({ scope, form }) => redis.away(scope, () => sleep(DOWN_MS[form])),
  });
}

export function redisBlackHole(redis: OwnRedis): ChaosEvent {
  return lossOf({
    name: 'redis-black-hole',
    title: 'packets to and from Redis are dropped for 60 s',
    service: 'Redis',
    start: redis.start,
    recovers: AFTER_DROPPED,
    away: (site) => dropFor(site, redis.port),
  });
}

export function postgresDown(services: HighlyAvailable): ChaosEvent {
  return lossOf({
    name: 'postgres-down',
    title: 'PostgreSQL is down for 20 s',
    service: 'the database',
    start: services.start,
    recovers: AFTER_DOWN,
    async away({ form }) {
      await services.postgres.stop();
      await sleep(DOWN_MS[form]);
      await services.postgres.start();
    },
  });
}

export function postgresBlackHole(services: HighlyAvailable): ChaosEvent {
  return lossOf({
    name: 'postgres-black-hole',
    title: 'packets to and from PostgreSQL are dropped for 60 s',
    service: 'the database',
    start: services.start,
    recovers: AFTER_DROPPED,
    away: (site) => dropFor(site, services.postgres.port),
  });
}
