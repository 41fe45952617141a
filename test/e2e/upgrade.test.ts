/** `webui-tune upgrade`: never two versions on one database, and back where the new one does not start. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { Client } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/base/io/wait.ts';
import { allProcesses, commandLine } from '../../src/base/machine/process-table.ts';
import { request } from '../../src/bench/client/http.ts';
import { startLoad } from '../../src/bench/client/load.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { Journal } from '../../src/setup/journal/journal.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../kit/embedded-postgres.ts';
import { CLI } from '../kit/environment.ts';
import { makeOwnEnvironment, type OwnEnvironment } from '../kit/openwebui-wheels.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { PGVECTOR, startServices } from '../kit/services.ts';
import { useScope } from '../kit/vitest.ts';

const [OLD, GOOD, BROKEN, DEAF, WRONG] = ['0.12.4', '0.12.5', '0.12.6', '0.12.7', '0.12.8'];
const WORKERS = 2;
/** Alone it takes one minute; it imports the app twice. */
const UPGRADE_TIMEOUT_MS = 600_000;

/** Of chats alone: the app is healthy, and people can sign in. */
const WRONG_ANSWERS = `
@app.middleware("http")
async def fail(request, call_next):
    if request.url.path.startswith("/api/v1/chats"):
        return JSONResponse({"detail": "no chats today"}, 500)
    return await call_next(request)
`;

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
    {
      version: DEAF,
      migration: "op.execute('CREATE TABLE probe (n int)')",
      main: "\nraise RuntimeError('no start today')\n",
    },
    { version: WRONG, migration: "op.execute('CREATE TABLE probe (n int)')", main: WRONG_ANSWERS },
  ]);
  // Its role may not touch the extension vector, as that of `webui-tune up`.
  postgres = await startEmbeddedPostgres(scope);
  const services = await startServices(scope, async () => postgres);
  cluster = await startCluster(scope, { workers: WORKERS, python: own.python, services, settings: PGVECTOR });
  const ui = await OpenWebui.signIn(cluster.url, services.admin);
  await ui.call('POST', '/api/v1/chats/new', { chat: { title: 'A chat', history: { messages: {} } } });
  await ui.upload('facts.txt', 'The heron waits for a fish.');
}, 2 * UPGRADE_TIMEOUT_MS);

interface Outcome {
  exitCode?: number | undefined;
  all?: string | undefined;
}

/** Runs it beside a watcher that notes which versions had processes at one time. */
function upgrade(...args: string[]): Promise<{ result: Outcome; together: Set<string> }> {
  return upgradeFrom(cluster.folder, ...args);
}

async function upgradeFrom(cwd: string, ...args: string[]) {
  const runFolder = dirname(await cluster.controlSocket());
  const together = new Set<string>();
  const watcher = setInterval(() => together.add(versionsIn(runFolder).join(' and ')), 50);
  try {
    const words = ['upgrade', ...args, '--yes', '--python', own.python, '--port', `${cluster.port}`];
    const result = await webuiTuneIn(cwd, ...words);
    return { result, together };
  } finally {
    clearInterval(watcher);
  }
}

async function webuiTune(...args: string[]): Promise<Outcome> {
  return webuiTuneIn(cluster.folder, ...args);
}

async function webuiTuneIn(cwd: string, ...args: string[]): Promise<Outcome> {
  return execa(process.execPath, [CLI, ...args], {
    cwd,
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
  });
}

/** Folder of what webui-tune keeps of the installation. */
const kept = (name: string) => join(cluster.folder, 'home', '.local', 'share', 'webui-tune', name);

/** The outcome of an upgrade that is killed as soon as a condition holds, and undone by one more command. */
async function killedAndUndone(
  upgrading: Promise<{ result: Outcome }>,
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const killing = until(condition, { what, timeoutMs: UPGRADE_TIMEOUT_MS, intervalMs: 5 }).then(() =>
    process.kill(Number.parseInt(readFileSync(kept('lock'), 'utf8'), 10), 'SIGKILL'),
  );
  const [{ result }] = await Promise.all([upgrading, killing]);
  expect(result.exitCode).toBeUndefined();
  const resumed = await webuiTune('resume');
  expect(resumed.all).toContain(`the upgrade to ${GOOD} is undone`);
  expect(resumed.exitCode).toBe(0);
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
/** The virtual environment. */
const environment = () => dirname(dirname(own.python));
/** What an upgrade has made on the way: in the database, beside the data and the environment, and processes. */
async function leftovers(): Promise<unknown[]> {
  const schemas = await onDatabase("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'webui_tune_%'");
  const backups = join(cluster.folder, 'data', 'backups');
  const folders = existsSync(backups) ? readdirSync(backups, { recursive: true }) : [];
  const processes = allProcesses()
    .map(({ pid }) => commandLine(pid))
    .filter(([program]) => program?.startsWith(dirname(environment())))
    .filter((words) => words.some((word) => word.endsWith('rehearsal.py')));
  const beside = readdirSync(dirname(environment())).filter((name) => name.includes('webui-tune'));
  const made = folders.filter((name) => /rehearsal|packages/.test(String(name)));
  return [...schemas, ...made, ...beside, ...processes];
}
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

  it('says what it would do, the rehearsal too', async () => {
    const { result } = await upgrade(GOOD ?? '', '--dry-run');
    expect(result.exitCode).toBe(0);
    expect(result.all).toContain(
      `first a rehearsal: ${GOOD} is tried on a copy of the data, while ${OLD} serves`,
    );
    expect(await leftovers()).toEqual([]);
  });

  it.each([
    [BROKEN, 'does not migrate a copy of the database', 'no_such_column'],
    [DEAF, 'does not start on a copy of the data', 'no start today'],
    [WRONG, 'starts, but does not answer as it should', 'GET /api/v1/chats/?page=1 is answered with 500'],
  ])(
    'refuses %s, which %s, and serves all the while',
    async (version, failure, reason) => {
      const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
      const before = [await migration(), await rows(), cluster.pythonWorkers().map(({ pid }) => pid)];
      const load = startLoad({
        url: `${cluster.url}/api/v1/chats/?page=1`,
        headers: ui.headers,
        connections: 2,
        pauseMs: 200,
      });
      const { result } = await upgrade(version ?? '');
      const { answered, failed, failures } = await load.stop();
      process.stderr.write(`${version}: ${failed} of ${answered + failed} requests failed\n`);
      expect([failed, failures]).toEqual([0, []]);
      expect(answered).toBeGreaterThan(20);
      expect(result.exitCode).toBe(7);
      expect(result.all).toContain(
        `Open WebUI ${version} ${failure}; ${OLD} went on serving, and nothing has changed`,
      );
      expect(result.all).toContain(reason);
      expect([await migration(), await rows(), cluster.pythonWorkers().map(({ pid }) => pid)]).toEqual(
        before,
      );
      expect(await probes()).toEqual([{ probe: null }]);
      expect(await leftovers()).toEqual([]);
      expect(existsSync(kept('journal.json'))).toBe(false);
      for (const secret of Object.values(cluster.services.secrets)) expect(result.all).not.toContain(secret);
    },
    UPGRADE_TIMEOUT_MS,
  );

  it(
    'leaves nothing where it was killed in the middle of a rehearsal, once resumed',
    async () => {
      const before = [await migration(), await rows(), cluster.pythonWorkers().map(({ pid }) => pid)];
      await killedAndUndone(
        upgrade(GOOD ?? ''),
        'the new version runs on a schema and a folder of its own',
        async () => (await leftovers()).length >= 3 && (await leftovers()).some(Array.isArray),
      );
      expect(await leftovers()).toEqual([]);
      expect([await migration(), await rows(), cluster.pythonWorkers().map(({ pid }) => pid)]).toEqual(
        before,
      );
    },
    UPGRADE_TIMEOUT_MS,
  );

  it(
    'goes back where the migration fails: packages, database and workers',
    async () => {
      const before = await migration();
      const contents = await rows();
      const upgrading = upgrade(BROKEN ?? '', '--no-rehearsal');
      await until(() => existsSync(kept('lock')), {
        what: 'the upgrade has begun',
        timeoutMs: PATIENCE_MS,
      });
      const { result: second } = await upgrade(GOOD ?? '');
      expect(second.exitCode).toBe(7);
      expect(second.all).toMatch(/^error: another webui-tune changes this installation \(process \d+\)\n/m);
      expect(second.all).not.toMatch(/^ +at /m);
      const { result, together } = await upgrading;
      expect(result.all).toContain(`the upgrade to ${BROKEN} failed; ${OLD} serves again`);
      expect(result.all).toContain('no_such_column');
      expect(result.all).toContain('the database was not migrated: it stays as it is');
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
    'goes back where it does not start once it has migrated: the database too',
    async () => {
      const before = [await migration(), await rows()];
      const { result } = await upgrade(DEAF ?? '', '--no-rehearsal');
      expect(result.all).toContain(`the upgrade to ${DEAF} failed; ${OLD} serves again`);
      expect(result.all).toContain('putting the database back');
      expect(result.exitCode).toBe(7);
      await cluster.untilServing(WORKERS);
      expect([await servedVersion(), await probes()]).toEqual([OLD, [{ probe: null }]]);
      expect([await migration(), await rows()]).toEqual(before);
      expect(await leftovers()).toEqual([]);
    },
    UPGRADE_TIMEOUT_MS,
  );

  it(
    'stops nothing where it was killed while pip made the new environment',
    async () => {
      const workers = cluster.pythonWorkers().map(({ pid }) => pid);
      await killedAndUndone(upgrade(GOOD ?? ''), 'a copy of the environment', () =>
        existsSync(`${environment()}.webui-tune-new`),
      );
      expect(cluster.pythonWorkers().map(({ pid }) => pid)).toEqual(workers);
      expect(await leftovers()).toEqual([]);
    },
    UPGRADE_TIMEOUT_MS,
  );

  it(
    'is undone by one more command where it was killed while pip replaced the packages in place',
    async () => {
      const before = await migration();
      const contents = await rows();
      const journal = new Journal(kept(''));
      // Who works in the environment may have files there: it is not replaced as a whole.
      await killedAndUndone(
        upgradeFrom(environment(), GOOD ?? '', '--no-rehearsal', '--env-file', cluster.envFile),
        'pip',
        () => journal.read()?.step === 'install',
      );
      await cluster.untilServing(WORKERS);
      expect(await servedVersion()).toBe(OLD);
      expect([await migration(), await rows()]).toEqual([before, contents]);
      await OpenWebui.signIn(cluster.url, cluster.services.admin);
    },
    UPGRADE_TIMEOUT_MS,
  );

  it(
    'migrates once, and starts all workers of the new version',
    async () => {
      const load = startLoad({ url: `${cluster.url}/health`, headers: {}, connections: 1, pauseMs: 100 });
      const { result, together } = await upgrade(GOOD ?? '');
      const times = (await load.stop()).failedRequests.map(({ atMs }) => atMs);
      const seconds = (Math.max(...times) - Math.min(...times)) / 1000;
      process.stderr.write(`${/^the outage: .*$/m.exec(result.all ?? '')}: it took ${seconds} s\n`);
      expect(result.all).toContain(`into a copy of ${environment()}`);
      expect(result.all).toContain(`Open WebUI ${GOOD} serves`);
      expect(result.all).toContain(`${GOOD} answers: sign-in, chats, a chat, a document`);
      expect(result.all).toMatch(
        /^the outage: some \d+ s \(backup \S+, packages \S+, migration \S+, start \S+\), and/m,
      );
      expect(result.exitCode).toBe(0);
      expect(await leftovers()).toEqual([]);
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
