/**
 * The plan beside the real thing: PM2 sizes the cluster as it loads the configuration, the memory is what was predicted,
 * and no worker takes more of PostgreSQL's connections than it was planned with.
 */
import { readFileSync } from 'node:fs';
import { symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { execa } from 'execa';
import { Client } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/base/io/port.ts';
import { until } from '../../src/base/io/wait.ts';
import { sumMemory } from '../../src/base/machine/process-memory.ts';
import { MIB } from '../../src/base/units.ts';
import { ownersOfClientEnds } from '../../src/bench/client/connections.ts';
import { startLoad } from '../../src/bench/client/load.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import type { Plan } from '../../src/plan/types.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { type Cluster, planCluster, planOf } from '../kit/cluster.ts';
import { startEmbeddedPostgres } from '../kit/embedded-postgres.ts';
import { openWebuiEnvironment, ROOT } from '../kit/environment.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { PGVECTOR, startServices } from '../kit/services.ts';
import { useScope } from '../kit/vitest.ts';

const CHATS = 5;
/** Those who ask at once: more than the pools have connections for. */
const ASKING = 24;

/** Connections of each of a worker's two SQLAlchemy engines and of pgvector's, few enough to be used up by a test. */
const POOLS = {
  DATABASE_POOL_SIZE: '2',
  DATABASE_POOL_MAX_OVERFLOW: '1',
  PGVECTOR_POOL_SIZE: '1',
  PGVECTOR_POOL_MAX_OVERFLOW: '1',
};
const ENGINE = 3;
const VECTOR = 2;

/** The configuration that the package brings takes no flags, and so this port. */
const SHIPPED = join(ROOT, 'dist', 'ecosystem.config.cjs');
const SHIPPED_PORT = 8080;
const port = await freePort('127.0.0.1', SHIPPED_PORT);

const scope = useScope();
let cluster: Cluster;
let plan: Plan;
let ui: OpenWebui;
/** A configuration of the user's own, as the documentation shows it. */
let ownFile: string;

beforeAll(async () => {
  const services = await startServices(scope, startEmbeddedPostgres);
  cluster = await planCluster(scope, {
    workers: 'auto',
    port,
    services,
    settings: { ...POOLS, ...PGVECTOR },
  });
  plan = await planOf(cluster);
  await symlink(openWebuiEnvironment().folder, join(cluster.folder, '.venv'));
  ownFile = join(cluster.folder, 'sized.config.cjs');
  await writeFile(
    ownFile,
    `const { sizeApps } = require(${JSON.stringify(join(ROOT, 'dist', 'ecosystem.cjs'))});\n` +
      `module.exports = { apps: sizeApps(${JSON.stringify({ port, workers: 1 })}) };\n`,
  );
  if (port === SHIPPED_PORT) {
    await cluster.pm2.start(SHIPPED);
  } else {
    await cluster.pm2.start(cluster.ecosystemFile);
  }
  await cluster.untilServing(plan.workers);
  ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
});

/** The apps of a configuration file, as PM2 reads it. */
async function appsOf(file: string): Promise<unknown> {
  const read = `const { parseConfig } = require('pm2/lib/Common.js');
    console.log(JSON.stringify(parseConfig('', process.argv[1]).apps));`;
  const { stdout } = await execa(process.execPath, ['-e', read, file], {
    cwd: cluster.folder,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: join(cluster.folder, 'home'),
      NODE_PATH: join(ROOT, 'node_modules'),
    },
    extendEnv: false,
  });
  return JSON.parse(stdout);
}

describe('a configuration that PM2 sizes as it loads it', () => {
  it('listens on this machine only, as nothing else is said', () => {
    const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    // proc_net_tcp: the address as the kernel holds it, on this processor the last byte first.
    const lines = ['tcp', 'tcp6'].flatMap((table) => readFileSync(`/proc/net/${table}`, 'utf8').split('\n'));
    const listening = lines.map((line) => line.trim().split(/\s+/)).filter(([, , , state]) => state === '0A');
    const addresses = listening.flatMap(([, local]) => (local?.endsWith(suffix) ? [local] : []));
    expect(addresses).toEqual([`0100007F${suffix}`]);
  });

  it.skipIf(port !== SHIPPED_PORT)(
    `is what the package itself brings${port === SHIPPED_PORT ? '' : `: port ${SHIPPED_PORT} is taken`}`,
    async () => {
      expect(await cluster.instances()).toHaveLength(plan.workers);
      const { apps } = createRequire(import.meta.url)(cluster.ecosystemFile) as { apps: { name: string }[] };
      expect(apps.map(({ name }) => name)).toEqual([APPS.preload, APPS.cluster]);
      expect((await cluster.pm2.list()).map(({ name }) => name)).toEqual([
        APPS.preload,
        ...Array.from({ length: plan.workers }, () => APPS.cluster),
      ]);
    },
  );

  it('is one of the user’s own, with flags', async () => {
    expect(await appsOf(ownFile)).toMatchObject([
      { name: APPS.preload },
      { name: APPS.cluster, exec_mode: 'cluster', instances: 1 },
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
  it(
    'are those of two engines and of pgvector’s pool in each worker under load, as planned, and no more',
    async () => {
      const each = 2 * ENGINE + VECTOR;
      const bound = plan.recommendations.find(({ key }) => key === 'bounds.database');
      expect(bound?.reason).toContain(`÷ ${each} connections a worker`);
      const { collection } = await ui.upload('notes.txt', 'The heron waits for a fish.\n\n'.repeat(100));

      const most = new Map<number, number>();
      const database = new Client({ connectionString: cluster.services.databaseUrl });
      await database.connect();
      // What users ask for goes by the asynchronous engine, /ready by the synchronous one.
      const loads = ['/api/v1/chats/?page=1', '/ready'].map((path) =>
        startLoad({
          url: `${cluster.url}${path}`,
          headers: ui.headers,
          connections: ASKING,
          timeoutMs: PATIENCE_MS,
        }),
      );
      let isDone = false;
      const searches = Array.from({ length: ASKING }, async () => {
        // Each of its statements waits for the locks below.
        while (!isDone) expect(await ui.query(collection, 'heron', PATIENCE_MS)).not.toEqual([]);
      });
      const searching = Promise.allSettled(searches);
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
          return [...most.values()].every((count) => count > 2 * ENGINE) && most.size === plan.workers;
        };
        // Whoever waits for a table holds a connection: of two pools all are taken, however slow this machine is.
        const lookAtWaiting = async () => {
          await database.query('BEGIN; LOCK TABLE chat, document_chunk IN ACCESS EXCLUSIVE MODE');
          try {
            for (let round = 0; round < 5; round++) if (await look()) return true;
            return false;
          } finally {
            await database.query('COMMIT');
          }
        };
        await until(lookAtWaiting, {
          what: 'each worker uses its three pools',
          timeoutMs: PATIENCE_MS,
        });
        for (let round = 0; round < 50; round++) await look();
      } finally {
        isDone = true;
        await database.end();
      }
      expect((await searching).filter(({ status }) => status === 'rejected')).toEqual([]);
      const reports = await Promise.all(loads.map((load) => load.stop()));
      expect(reports.flatMap(({ failures }) => failures)).toEqual([]);
      for (const count of most.values()) expect(count).toBeLessThanOrEqual(each);
    },
    2 * PATIENCE_MS,
  );
});

describe('memory', () => {
  it('is within 15 % of what was predicted, after traffic', async () => {
    const { memory } = plan;
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
