import { setTimeout as sleep } from 'node:timers/promises';
import { PostgresServer } from '../../test/kit/postgres-server.ts';
import { startRedis } from '../../test/kit/redis.ts';
import type { Scope } from '../../test/kit/scope.ts';
import { startServices } from '../../test/kit/services.ts';
import type { ChaosEvent, Form } from '../event.ts';
import { onlyFailedMeanwhile, watchOutage } from '../outage.ts';

/** Milliseconds that the service is away. */
const AWAY_MS: Record<Form, number> = { long: 20_000, short: 5_000 };
const RECOVERS_MS = 5_000;
const HOLDS = 'no worker dies, it recovers within 5 s of the return, two lines in each log, none refused';

export function redisDown(): ChaosEvent {
  let redis: Awaited<ReturnType<typeof startRedis>>;
  return {
    name: 'redis-down',
    title: 'Redis is down for 20 s',
    holds: HOLDS,
    runs: { long: 1, short: 1 },
    async cluster(scope) {
      redis = await startRedis(scope);
      return { services: { ...(await startServices(scope)), redisUrl: redis.url } };
    },
    run: (site) =>
      watchOutage(site, {
        service: 'Redis',
        limitMs: RECOVERS_MS,
        async happen() {
          await redis.process.stop();
          await sleep(AWAY_MS[site.form]);
          redis = await startRedis(site.scope, { port: redis.port });
          return performance.now();
        },
      }),
    judge: onlyFailedMeanwhile,
  };
}

export function postgresDown(): ChaosEvent {
  let server: PostgresServer;
  return {
    name: 'postgres-down',
    title: 'PostgreSQL is down for 20 s',
    holds: HOLDS,
    runs: { long: 1, short: 1 },
    async cluster(scope: Scope) {
      server = await PostgresServer.create(scope);
      return { services: { ...(await startServices(scope)), databaseUrl: server.url } };
    },
    run: (site) =>
      watchOutage(site, {
        service: 'the database',
        limitMs: RECOVERS_MS,
        async happen() {
          await server.stop();
          await sleep(AWAY_MS[site.form]);
          await server.start();
          return performance.now();
        },
      }),
    judge: onlyFailedMeanwhile,
  };
}
