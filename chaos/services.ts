/** Clusters whose services an event can stop. */
import type { Scope } from '../src/base/io/scope.ts';
import { PostgresServer } from '../src/bench/scratch/postgres.ts';
import { startRedis } from '../src/bench/scratch/redis.ts';
import { startCluster } from '../test/kit/cluster.ts';
import { type Sentinel, startSentinel } from '../test/kit/sentinel.ts';
import { startServices } from '../test/kit/services.ts';
import type { Start } from './event.ts';

/** A cluster with its own Redis server. */
export class OwnRedis {
  #server: Awaited<ReturnType<typeof startRedis>> | undefined;

  readonly start: Start = async (scope, workers) => {
    this.#server = await startRedis(scope);
    const services = { ...(await startServices(scope)), redisUrl: this.#server.url };
    return startCluster(scope, { workers, services });
  };

  get port(): number {
    return started(this.#server).port;
  }

  /** Stops the server, and starts it again after `meanwhile`. */
  async away(scope: Scope, meanwhile: () => Promise<void>): Promise<void> {
    const { port, process } = started(this.#server);
    await process.stop();
    await meanwhile();
    this.#server = await startRedis(scope, { port });
  }
}

/** A cluster with Redis Sentinel, two Redis servers, and its own PostgreSQL server. */
export class HighlyAvailable {
  #sentinel: Sentinel | undefined;
  #postgres: PostgresServer | undefined;

  readonly start: Start = async (scope, workers) => {
    this.#sentinel = await startSentinel(scope);
    this.#postgres = await PostgresServer.create(scope);
    const services = { ...(await startServices(scope)), databaseUrl: this.#postgres.url };
    return startCluster(scope, { workers, services, settings: this.#sentinel.settings });
  };

  get sentinel(): Sentinel {
    return started(this.#sentinel);
  }

  get postgres(): PostgresServer {
    return started(this.#postgres);
  }
}

function started<T>(server: T | undefined): T {
  if (server === undefined) throw new Error('the cluster has not been started');
  return server;
}
