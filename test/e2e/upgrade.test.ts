/** `webui-tune upgrade`: never two versions on one database, and back where the new one does not start. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { Client } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { APPS } from '../../src/runtime/contract.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../kit/embedded-postgres.ts';
import { CLI } from '../kit/environment.ts';
import { request } from '../kit/http.ts';
import { OpenWebui } from '../kit/openwebui.ts';
import { makeOwnEnvironment, type OwnEnvironment } from '../kit/openwebui-wheels.ts';
import { PGVECTOR, startServices } from '../kit/services.ts';
import { useScope } from '../kit/vitest.ts';
import { until } from '../kit/wait.ts';

const [OLD, GOOD, BROKEN] = ['0.12.4', '0.12.5', '0.12.6'];
const WORKERS = 2;
/** Alone it takes one minute; it imports the app twice. */
const UPGRADE_TIMEOUT_MS = 600_000;

const scope = useScope();
let cluster: Cluster;
let own: OwnEnvironment;
let postgres: EmbeddedPostgres;

beforeAll(async () => {
  own = await makeOwnEnvironment(scope, [
    { version: OLD },
    // A row for each time that it runs.
    { version: GOOD, migration: "op.execute('CREATE TABLE probe AS SELECT 1 AS n')" },
    {
      version: BROKEN,
      migration: "op.execute('CREATE TABLE probe (n int)'); op.execute('SELECT no_such_column')",
    },
  ]);
  // Its role may not touch the extension vector, as that of `webui-tune up`.
  postgres = await startEmbeddedPostgres(scope);
  const services = await startServices(scope, async () => postgres);
  cluster = await startCluster(scope, { workers: WORKERS, python: own.python, services, settings: PGVECTOR });
}, 2 * UPGRADE_TIMEOUT_MS);

interface Outcome {
  exitCode?: number | undefined;
  all?: string | undefined;
}

/** Runs it beside a watcher that notes which versions had processes at one time. */
async function upgrade(...args: string[]): Promise<{ result: Outcome; together: Set<string> }> {
  const runFolder = dirname(await cluster.controlSocket());
  const together = new Set<string>();
  const watcher = setInterval(() => together.add(versionsIn(runFolder).join(' and ')), 50);
  try {
    const result = await execa(
      process.execPath,
      [CLI, 'upgrade', ...args, '--yes', '--python', own.python, '--port', `${cluster.port}`],
      {
        cwd: cluster.folder,
        env: {
          // Its own tools: older ones refuse a newer server.
          PATH: `${postgres.tools}:${process.env.PATH}`,
          HOME: join(cluster.folder, 'home'),
          PM2_HOME: cluster.pm2.home,
          LANG: 'C.UTF-8',
          ...own.pipSettings,
        },
        extendEnv: false,
        reject: false,
        all: true,
      },
    );
    return { result, together };
  } finally {
    clearInterval(watcher);
  }
}

function versionsIn(runFolder: string): string[] {
  const versions = readdirSync(runFolder)
    .filter((name) => name.startsWith('generation-'))
    .flatMap((name) => {
      try {
        return [readFileSync(join(runFolder, name, 'version'), 'utf8')];
      } catch {
        return []; // it is being made, or removed
      }
    });
  return [...new Set(versions)].sort();
}

async function servedVersion(): Promise<string> {
  const { body } = await request(`${cluster.url}/api/version`);
  return (JSON.parse(body) as { version: string }).version;
}

async function onDatabase(sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: cluster.services.databaseUrl });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

const migration = () => onDatabase('SELECT version_num FROM alembic_version');
/** What there was before the upgrade, and must be there after it. */
const rows = () =>
  onDatabase(
    `SELECT (SELECT count(*) FROM "user") AS users, (SELECT count(*) FROM config) AS settings,
       (SELECT extowner::regrole::text FROM pg_extension WHERE extname = 'vector') AS owner`,
  );
const probes = () => onDatabase("SELECT to_regclass('probe') AS probe");

describe('webui-tune upgrade', () => {
  it('refuses what runs already, and what is older', async () => {
    for (const [version, reason] of [
      [OLD, 'is what runs already'],
      ['0.12.3', 'do not go back'],
    ]) {
      const { result } = await upgrade(version ?? '');
      expect(result.exitCode).toBe(2);
      expect(result.all).toContain(reason);
    }
    expect(await servedVersion()).toBe(OLD);
  });

  it('stops nothing for a version that there is none of', async () => {
    const before = cluster.pythonWorkers().map(({ pid }) => pid);
    const { result } = await upgrade('0.12.99');
    expect(result.exitCode).toBe(7);
    expect(result.all).toContain('0.12.99');
    expect(cluster.pythonWorkers().map(({ pid }) => pid)).toEqual(before);
  });

  it(
    'goes back where the migration fails: packages, database and workers',
    async () => {
      const before = await migration();
      const contents = await rows();
      const upgrading = upgrade(BROKEN ?? '');
      await until(() => existsSync(join(cluster.folder, 'data', '.upgrade.lock')), {
        what: 'the upgrade has begun',
        timeoutMs: 60_000,
      });
      const { result: second } = await upgrade(GOOD ?? '');
      expect(second.exitCode).toBe(7);
      expect(second.all).toMatch(/^error: another webui-tune upgrades this installation \(process \d+\)\n/m);
      expect(second.all).not.toMatch(/^ +at /m);
      const { result, together } = await upgrading;
      expect(result.all).toContain(`the upgrade to ${BROKEN} failed; ${OLD} serves again`);
      expect(result.all).toContain('no_such_column');
      expect(result.exitCode).toBe(7);
      await cluster.untilServing(WORKERS);
      expect(await servedVersion()).toBe(OLD);
      expect(await migration()).toEqual(before);
      expect(await probes()).toEqual([{ probe: null }]);
      expect(await rows()).toEqual(contents);
      expect([...together].filter((versions) => versions.includes(' and '))).toEqual([]);
      await OpenWebui.signIn(cluster.url, cluster.services.admin);
    },
    UPGRADE_TIMEOUT_MS,
  );

  it(
    'migrates once, and starts all workers of the new version',
    async () => {
      const { result, together } = await upgrade(GOOD ?? '');
      expect(result.all).toContain(`Open WebUI ${GOOD} serves`);
      expect(result.exitCode).toBe(0);
      await cluster.untilServing(WORKERS);
      expect(await servedVersion()).toBe(GOOD);
      expect(await onDatabase('SELECT n FROM probe')).toEqual([{ n: 1 }]);
      expect([...together].sort()).toEqual(['', OLD, GOOD]);
      const { pm2_env } = await cluster.preload();
      const log = readFileSync(pm2_env.pm_out_log_path, 'utf8');
      expect(log).toContain(`importing Open WebUI ${GOOD}`);
      expect((await cluster.instances()).map(({ name }) => name)).toEqual([APPS.cluster, APPS.cluster]);
      await OpenWebui.signIn(cluster.url, cluster.services.admin);
      for (const secret of Object.values(cluster.services.secrets)) expect(result.all).not.toContain(secret);
    },
    UPGRADE_TIMEOUT_MS,
  );
});
