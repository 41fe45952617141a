/** `--runtime uvicorn`: Open WebUI's own server with its own workers, as one app of PM2. */
import { execa } from 'execa';
import { Client } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { readMemory } from '../../src/base/machine/process-memory.ts';
import { environment, isAlive, type ProcessInfo } from '../../src/base/machine/process-table.ts';
import { connectTo, ownerOf } from '../../src/bench/client/connections.ts';
import { request } from '../../src/bench/client/http.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { wholeAnswer } from '../../src/bench/scratch/upstream.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { TopSchema } from '../../src/runtime/watch/schema.ts';
import { type Cluster, planCluster } from '../kit/cluster.ts';
import { CLI, LEAN } from '../kit/environment.ts';
import { startServices } from '../kit/services.ts';
import {
  START_TIMEOUT_MS,
  startUvicorn,
  untilUvicornServes,
  uvicornServer,
  uvicornWorkers,
} from '../kit/uvicorn.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 2;

const scope = useScope();
let cluster: Cluster;
let workers: ProcessInfo[];

async function ask<T>(sql: string): Promise<T[]> {
  const client = new Client({ connectionString: cluster.services.databaseUrl });
  await client.connect();
  try {
    return (await client.query(sql)).rows as T[];
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  const services = await startServices(scope);
  cluster = await planCluster(scope, {
    workers: WORKERS,
    services,
    args: ['--runtime', 'uvicorn'],
    environment: LEAN,
  });
  await startUvicorn(cluster, WORKERS);
  workers = uvicornWorkers(await uvicornServer(cluster));
}, START_TIMEOUT_MS);

describe('the first start, on an empty database', () => {
  it('succeeds at once, though there are several workers', async () => {
    const [app] = await cluster.instances();
    expect(app?.pm2_env).toMatchObject({ status: 'online', restart_time: 0, exec_mode: 'fork_mode' });
    expect(workers).toHaveLength(WORKERS);
  });

  it('makes one administrator', async () => {
    expect(await ask('SELECT email FROM "user"')).toEqual([{ email: cluster.services.admin.email }]);
  });
});

describe('each worker', () => {
  it('serves, with static files of its own', async () => {
    const folders = new Set<string | undefined>();
    for (const { pid } of workers) {
      const connection = await connectTo(
        (owner) => owner === pid,
        cluster,
        () => workers,
      );
      for (const path of ['/ready', '/static/favicon.png', '/api/version']) {
        const { status } = await request(`${cluster.url}${path}`, { agent: connection });
        expect(status, `${path} of ${pid}`).toBe(200);
      }
      connection.destroy();
      folders.add(environment(pid).find((entry) => entry.startsWith('STATIC_DIR=')));
    }
    expect(folders.size).toBe(WORKERS);
    expect(folders).not.toContain(undefined);
  });

  it('streams an answer to the browser that another one holds', async () => {
    const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
    const page = await ui.connectSocket(scope);
    const holder = await ownerOf(page.connection, cluster.port, () => workers);
    const other = await connectTo(
      (pid) => pid !== holder,
      cluster,
      () => workers,
    );
    const { text } = await ui.chat(page, 'question', { agent: other });
    expect(text).toBe(wholeAnswer('question', cluster.services.upstream.pace));
    other.destroy();
    page.close();
  });
});

describe('webui-tune top', () => {
  it('shows what the workers and their parent use, and nothing that it cannot know', async () => {
    const { stdout } = await execa(process.execPath, [CLI, 'top', cluster.ecosystemFile, '--json']);
    const report = TopSchema.parse(JSON.parse(stdout));
    expect(report).toMatchObject({
      runtime: 'uvicorn',
      parent: { pid: await uvicornServer(cluster) },
      instances: [],
      restarts: [],
    });
    const shown = report.workers.map(({ process }) => process?.pid);
    expect(shown.toSorted()).toEqual(workers.map(({ pid }) => pid).sort());
    expect(report.workers.map(({ instance }) => instance)).toEqual(['0', '1']);
    for (const worker of report.workers) {
      const { pss } = readMemory(worker.process?.pid ?? 0);
      expect(Math.abs((worker.process?.memory?.proportionalBytes ?? 0) - pss)).toBeLessThan(0.05 * pss);
      expect(worker).not.toHaveProperty('requests');
      expect(worker).not.toHaveProperty('memoryLimitBytes');
    }
    expect(report.total).not.toHaveProperty('requests');
  });
});

describe('PM2', () => {
  it(
    'restarts it, and no worker of before is left',
    async () => {
      const former = cluster.processes();
      await cluster.pm2.restart(APPS.cluster);
      expect(former.filter(isAlive)).toEqual([]);
      await untilUvicornServes(cluster, WORKERS);
    },
    START_TIMEOUT_MS,
  );

  it('stops it, and nothing is left behind', async () => {
    const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
    // A browser that stays open must not hold it up.
    const page = await ui.connectSocket(scope);
    const former = cluster.processes();
    expect(former.length).toBeGreaterThan(WORKERS);
    await cluster.pm2.stop(APPS.cluster);
    expect(former.filter(isAlive)).toEqual([]);
    expect(cluster.processes()).toEqual([]);
    await expect(request(`${cluster.url}/health`)).rejects.toThrow('ECONNREFUSED');
    expect(
      await ask(`SELECT pid FROM pg_stat_activity WHERE datname = current_database()
      AND pid <> pg_backend_pid()`),
    ).toEqual([]);
    page.close();
  });
});
