/**
 * The plan beside the real thing: PM2 sizes the cluster as it loads the configuration, the memory is what was predicted,
 * and no worker takes more of PostgreSQL's connections than it was planned with.
 */
import { symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { execa } from 'execa';
import { Client } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { APPS } from '../../src/runtime/contract.ts';
import { type Cluster, planCluster, planOf } from '../kit/cluster.ts';
import { ownersOfClientEnds } from '../kit/connections.ts';
import { openWebuiEnvironment, ROOT } from '../kit/environment.ts';
import { startLoad } from '../kit/load.ts';
import { MIB, sumMemory } from '../kit/memory.ts';
import { OpenWebui } from '../kit/openwebui.ts';
import { useScope } from '../kit/vitest.ts';
import { until } from '../kit/wait.ts';

const WORKERS = 2;
const CHATS = 5;

/** Connections of one SQLAlchemy engine, small enough to be filled by a test. */
const POOL = { DATABASE_POOL_SIZE: '2', DATABASE_POOL_MAX_OVERFLOW: '1' };
const ENGINE = 3;

const scope = useScope();
let cluster: Cluster;
let ui: OpenWebui;

beforeAll(async () => {
  cluster = await planCluster(scope, { workers: WORKERS, settings: POOL });
  // A configuration of the user's own, as the documentation shows it.
  const options = {
    python: openWebuiEnvironment().python,
    port: cluster.port,
    workers: WORKERS,
    host: '127.0.0.1',
  };
  const file = join(cluster.folder, 'sized.config.cjs');
  await writeFile(
    file,
    `const { sizeApps } = require(${JSON.stringify(join(ROOT, 'dist', 'ecosystem.cjs'))});\n` +
      `module.exports = { apps: sizeApps(${JSON.stringify(options)}) };\n`,
  );
  await cluster.pm2.start(file);
  await cluster.untilServing(WORKERS);
  ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
});

describe('a configuration that PM2 sizes as it loads it', () => {
  it('is started as the printed file would be', async () => {
    const instances = await cluster.instances();
    expect(instances).toHaveLength(WORKERS);
    const planned = createRequire(import.meta.url)(cluster.ecosystemFile) as { apps: { name: string }[] };
    expect((await cluster.pm2.list()).map(({ name }) => name)).toEqual([
      APPS.preload,
      ...instances.map(() => APPS.cluster),
    ]);
    expect(planned.apps.map(({ name }) => name)).toEqual([APPS.preload, APPS.cluster]);
  });

  it('is what the package itself brings, for whoever has nothing to change', async () => {
    await symlink(openWebuiEnvironment().folder, join(cluster.folder, '.venv'));
    const read = `const { parseConfig } = require('pm2/lib/Common.js');
      console.log(JSON.stringify(parseConfig('', process.argv[1]).apps));`;
    const { stdout } = await execa(
      process.execPath,
      ['-e', read, join(ROOT, 'dist', 'ecosystem.config.cjs')],
      {
        cwd: cluster.folder,
        env: {
          PATH: process.env.PATH ?? '',
          HOME: join(cluster.folder, 'home'),
          NODE_PATH: join(ROOT, 'node_modules'),
        },
        extendEnv: false,
      },
    );
    expect(JSON.parse(stdout)).toMatchObject([
      { name: APPS.preload },
      { name: APPS.cluster, exec_mode: 'cluster' },
    ]);
  });

  it('says what is wrong where there is no plan', async () => {
    const file = join(cluster.folder, 'broken.config.cjs');
    const library = JSON.stringify(join(ROOT, 'dist', 'ecosystem.cjs'));
    await writeFile(file, `module.exports = { apps: require(${library}).sizeApps({ preset: 'nope' }) };\n`);
    const started = cluster.pm2.start(file);
    await expect(started).rejects.toThrow('unknown preset "nope"');
  });
});

describe('PostgreSQL’s connections', () => {
  it('are those of two engines a worker under load, as planned, and no more', async () => {
    const plan = await planOf(cluster);
    const bound = plan.recommendations.find(({ key }) => key === 'bounds.database');
    expect(bound?.reason).toContain(`÷ ${2 * ENGINE} connections a worker`);

    const most = new Map<number, number>();
    const database = new Client({ connectionString: cluster.services.databaseUrl });
    await database.connect();
    // What users ask for goes by the asynchronous engine, /ready by the synchronous one.
    const loads = ['/api/v1/chats/?page=1', '/ready'].map((path) =>
      startLoad({ url: `${cluster.url}${path}`, headers: ui.headers, connections: 24 }),
    );
    try {
      const look = async () => {
        const { rows } = await database.query<{ port: number }>(
          `SELECT client_port AS port FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid()`,
        );
        const owners = ownersOfClientEnds(
          rows.map(({ port }) => port),
          cluster.pythonWorkers(),
        );
        for (const { pid } of cluster.pythonWorkers()) {
          const count = owners.filter((owner) => owner === pid).length;
          most.set(pid, Math.max(most.get(pid) ?? 0, count));
        }
        return [...most.values()].every((count) => count > ENGINE) && most.size === WORKERS;
      };
      await until(look, { what: 'each worker uses both of its engines', timeoutMs: 60_000 });
      for (let round = 0; round < 50; round++) await look();
    } finally {
      await database.end();
    }
    const reports = await Promise.all(loads.map((load) => load.stop()));
    expect(reports.flatMap(({ failures }) => failures)).toEqual([]);
    for (const count of most.values()) expect(count).toBeLessThanOrEqual(2 * ENGINE);
  });
});

describe('memory', () => {
  it('is within 15 % of what was predicted, after traffic', async () => {
    const { memory } = await planOf(cluster);
    expect(memory.level).toBe('lean');
    const page = await ui.connectSocket(scope);
    for (let index = 0; index < CHATS; index++) await ui.chat(page, `question${index}`);
    page.close();
    const measured = sumMemory(cluster.processes()).pss;
    const shown = `${(memory.predicted / MIB).toFixed(0)} MiB predicted, ${(measured / MIB).toFixed(0)} measured`;
    expect(memory.predicted / measured, shown).toBeGreaterThan(0.85);
    expect(memory.predicted / measured, shown).toBeLessThan(1.15);
  });
});
