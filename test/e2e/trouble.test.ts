/** Starts that go wrong: each says what is wrong, none ends in a restart loop, and what waits goes on by itself. */
import { readFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createClient } from 'redis';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, planCluster } from '../kit/cluster.ts';
import { request } from '../kit/http.ts';
import { ServiceProxy } from '../kit/proxy.ts';
import { type Services, startServices } from '../kit/services.ts';
import { useScope } from '../kit/vitest.ts';
import { until } from '../kit/wait.ts';

const scope = useScope();
let services: Services;

beforeAll(async () => {
  services = await startServices(scope);
});

async function untilLogged(cluster: Cluster, text: RegExp, timeoutMs = 60_000): Promise<string> {
  return until(
    async () => {
      const log = await cluster.preloadLog();
      return text.test(log) ? log : false;
    },
    { what: `the log says ${text}`, timeoutMs },
  );
}

/** `pm2 start` returns when the instances are ready, which they will not be: it is left to itself. */
async function startWithoutWaiting(cluster: Cluster): Promise<void> {
  // Two commands at once on a PM2 that does not run yet would start two daemons.
  await cluster.pm2.run('ping');
  void cluster.pm2.start(cluster.ecosystemFile).catch(() => undefined);
  await until(async () => (await cluster.pm2.list()).length > 1, {
    what: 'PM2 runs both apps',
    timeoutMs: 20_000,
    intervalMs: 200,
  });
}

// At once: each is an installation of its own, and mostly one process that imports.
describe.concurrent('what cannot be mended by trying again stops the preload process, with the reason', () => {
  async function expectStopped(cluster: Cluster, reason: RegExp): Promise<void> {
    await startWithoutWaiting(cluster);
    await untilLogged(cluster, reason);
    await until(async () => (await cluster.preload()).pm2_env.status === 'stopped', {
      what: 'the preload process is stopped',
      timeoutMs: 10_000,
    });
    const { pm2_env } = await cluster.preload();
    expect(pm2_env.restart_time).toBe(0);
    expect(pm2_env.exit_code).toBe(78);
    await cluster.pm2.kill();
    expect(cluster.processes()).toEqual([]);
  }

  it('a port that is taken, and by whom', async () => {
    const cluster = await planCluster(scope, { workers: 1, services });
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(cluster.port, '127.0.0.1', resolve));
    scope.defer('the holder of the port', () => void holder.close());
    await expectStopped(
      cluster,
      new RegExp(`port ${cluster.port} on 127.0.0.1 is taken by .*pid ${process.pid}`),
    );
  });

  it('an app that cannot be imported', async () => {
    const cluster = await planCluster(scope, { workers: 1, services });
    await appendFile(cluster.envFile, 'CORS_ALLOW_ORIGIN=nonsense\n');
    await expectStopped(cluster, /Open WebUI 0\.12\.4 could not be imported: ValueError: .*nonsense/);
  });

  it('a line of the env file that is none', async () => {
    const cluster = await planCluster(scope, { workers: 1, services });
    const lines = readFileSync(cluster.envFile, 'utf8').split('\n').length;
    await appendFile(cluster.envFile, "WEBUI_NAME='half\n");
    await expectStopped(cluster, new RegExp(`open-webui\\.env, line ${lines}: not of the form NAME=value`));
  });

  it('a database that refuses us', async () => {
    const cluster = await planCluster(scope, { workers: 1, services });
    const url = new URL(services.databaseUrl);
    url.pathname = '/no_such_database';
    await appendFile(cluster.envFile, `DATABASE_URL=${url}\n`);
    await expectStopped(cluster, /the database refuses us: .*"no_such_database" does not exist/);
  });
});

describe('a Redis server that another installation uses', () => {
  it('is told of: Pub/Sub knows no database numbers', async () => {
    const neighbour = createClient({ url: services.redisUrl.replace('/0', '/7') });
    await neighbour.connect();
    scope.defer('the neighbour', () => neighbour.destroy());
    await neighbour.subscribe('socketio', () => undefined);
    const cluster = await planCluster(scope, { workers: 2, services });
    await startWithoutWaiting(cluster);
    await untilLogged(cluster, /another installation uses this Redis server \(processes that listen: 1\)/);
    await cluster.pm2.kill();
    await neighbour.unsubscribe('socketio');
  });
});

describe('a service that is down at the start', () => {
  async function throughProxy(url: string): Promise<{ proxy: ServiceProxy; proxied: string }> {
    const target = new URL(url);
    const proxy = await ServiceProxy.start(scope, Number(target.port || 5432));
    target.port = `${proxy.port}`;
    return { proxy, proxied: target.toString() };
  }

  it('is waited for, first PostgreSQL, then Redis; then the workers serve', async () => {
    const postgres = await throughProxy(services.databaseUrl);
    const redis = await throughProxy(services.redisUrl);
    const proxied = { ...services, databaseUrl: postgres.proxied, redisUrl: redis.proxied };
    const cluster = await planCluster(scope, { workers: 2, services: proxied });
    await postgres.proxy.close();
    await redis.proxy.close();
    await startWithoutWaiting(cluster);

    await untilLogged(cluster, new RegExp(`waiting for the database at 127.0.0.1:${postgres.proxy.port}`));
    await postgres.proxy.open();
    const log = await untilLogged(cluster, new RegExp(`waiting for Redis at 127.0.0.1:${redis.proxy.port}`));
    expect(log).toMatch(/the database answers, after [\d.]+ s/);
    expect(log).not.toContain(services.secrets.database);
    await expect(request(`${cluster.url}/ready`)).rejects.toThrow('ECONNREFUSED');
    await redis.proxy.open();

    await cluster.untilServing(2);
    expect((await cluster.preload()).pm2_env.restart_time).toBe(0);
    // One line a service, however often it was tried.
    expect((await cluster.preloadLog()).match(/waiting for/g)).toHaveLength(2);
  });
});
