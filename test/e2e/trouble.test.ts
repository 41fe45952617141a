/** Starts that go wrong, and services that are away: what is wrong is said, nothing restarts in a loop, and what waits resumes. */
import { readFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createClient } from 'redis';
import { beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/base/io/wait.ts';
import { request } from '../../src/bench/client/http.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { PostgresServer } from '../../src/bench/scratch/postgres.ts';
import { wholeAnswer } from '../../src/bench/scratch/upstream.ts';
import { type Cluster, planCluster } from '../kit/cluster.ts';
import { expectNoApp } from '../kit/nothing-left.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { createMigratedDatabase } from '../kit/postgres.ts';
import { ServiceProxy } from '../kit/proxy.ts';
import { type Services, startServices } from '../kit/services.ts';
import { useScope } from '../kit/vitest.ts';

const scope = useScope();
let services: Services;

beforeAll(async () => {
  services = await startServices(scope, createMigratedDatabase);
});

async function untilLogged(cluster: Cluster, text: RegExp, timeoutMs = 180_000): Promise<string> {
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
    timeoutMs: PATIENCE_MS,
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
      timeoutMs: PATIENCE_MS,
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

describe.sequential('a service that is down', () => {
  let postgres: PostgresServer;
  let cluster: Cluster;
  let ui: OpenWebui;

  it('at the start is waited for, first PostgreSQL, then Redis; then the workers serve', async () => {
    postgres = await PostgresServer.create(scope);
    const { proxy, proxied } = await throughProxy(services.redisUrl);
    const down = { ...services, databaseUrl: postgres.url, redisUrl: proxied };
    cluster = await planCluster(scope, { workers: 2, services: down });
    await Promise.all([postgres.stop(), proxy.close()]);
    // Pub/Sub knows no database numbers.
    const neighbour = createClient({ url: services.redisUrl.replace('/0', '/7') });
    await neighbour.connect();
    scope.defer('the neighbour', () => neighbour.destroy());
    await neighbour.subscribe('socketio', () => undefined);
    await startWithoutWaiting(cluster);

    await untilLogged(cluster, new RegExp(`waiting for the database at 127.0.0.1:${postgres.port}`));
    await postgres.start();
    const log = await untilLogged(cluster, new RegExp(`waiting for Redis at 127.0.0.1:${proxy.port}`));
    expect(log).toMatch(/the database answers, after [\d.]+ s/);
    expect(log).not.toContain(postgres.password);
    await expect(request(`${cluster.url}/ready`)).rejects.toThrow('ECONNREFUSED');
    await proxy.open();

    await untilLogged(cluster, /another installation uses this Redis server \(processes that listen: 1\)/);
    await neighbour.unsubscribe('socketio');
    await cluster.untilServing(2);
    expect((await cluster.preload()).pm2_env.restart_time).toBe(0);
    // One line a service, however often it was tried.
    expect((await cluster.preloadLog()).match(/waiting for/g)).toHaveLength(2);
  });

  it('later cuts no open page off, and one that comes is let in once PostgreSQL is back', async () => {
    ui = await OpenWebui.signIn(cluster.url, services.admin);
    const page = await ui.connectSocket(scope);
    const losses: string[] = [];
    page.socket.on('disconnect', (reason) => losses.push(reason));

    await postgres.stop();
    // Open WebUI verifies the page's token, as it does every 30 s, and would cut it off.
    const verified = page.socket.timeout(PATIENCE_MS).emitWithAck('usage', { model: 'heron' });
    const joined = ui.connectSocket(scope);
    const returned: string[] = [];
    const both = Promise.all([
      verified.then(() => returned.push('verified')),
      joined.then(() => returned.push('joined')),
    ]);
    await untilBothLogged('the database is lost');
    expect(returned).toEqual([]);
    await postgres.start();
    await both;

    expect(losses).toEqual([]);
    const other = await joined;
    for (const asking of [page, other]) {
      const { text } = await ui.chat(asking, 'heron');
      expect(text).toBe(wholeAnswer('heron', services.upstream.pace));
    }
    page.close();
    other.close();
  });

  it('nothing is left of either app after pm2 delete all', async () => {
    await expectNoApp(scope, cluster, () => cluster.pm2.delete('all'));
  });

  /** Each worker looks by itself; it says so in its own log. */
  async function untilBothLogged(line: string): Promise<void> {
    await until(
      async () => {
        const logs = await cluster.pm2.run('logs', '--nostream', '--lines', '200');
        return logs.split(line).length > 2;
      },
      { what: `both workers log "${line}"`, timeoutMs: PATIENCE_MS },
    );
  }

  async function throughProxy(url: string): Promise<{ proxy: ServiceProxy; proxied: string }> {
    const target = new URL(url);
    const proxy = await ServiceProxy.start(scope, Number(target.port));
    target.port = `${proxy.port}`;
    return { proxy, proxied: target.toString() };
  }
});
