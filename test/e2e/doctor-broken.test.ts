/** A doctor looks at an installation that does not run yet, with real services, one thing after the other broken. */
import { chmod, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { createClient } from 'redis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHECKS } from '../../src/doctor/checks/index.ts';
import { APPS, ENV } from '../../src/runtime/contract.ts';
import { type Cluster, planCluster, writeSettings } from '../kit/cluster.ts';
import { type Examination, examine as examineOnce } from '../kit/doctor.ts';
import { freePort } from '../kit/ports.ts';
import { Scope } from '../kit/scope.ts';
import { settingsFor } from '../kit/services.ts';
import { until } from '../kit/wait.ts';

const GOOD_BUFFER = 'pubsub 1073741824 268435456 180';
const scope = new Scope();
/** Checks that have found something wrong. */
const seen = new Set<string>();
let cluster: Cluster;
let redis: ReturnType<typeof createClient>;
let database: Client;
let settings: Record<string, string>;
let apps: App[];

interface App {
  name: string;
  env: Record<string, string>;
  [key: string]: unknown;
}

async function examine(...args: Parameters<typeof examineOnce>): Promise<Examination> {
  const examination = await examineOnce(...args);
  for (const { check, verdict } of examination.report.findings) {
    if (verdict === 'warning' || verdict === 'error' || verdict === 'note') seen.add(check);
  }
  return examination;
}

/** The ecosystem file, with something else in it. */
async function rewrite(change: (preload: App, cluster: App) => void): Promise<void> {
  const changed = structuredClone(apps);
  const app = (name: string) => {
    const found = changed.find((one) => one.name === name);
    if (!found) throw new Error(`no ${name}`);
    return found;
  };
  change(app(APPS.preload), app(APPS.cluster));
  await writeFile(cluster.ecosystemFile, `module.exports = ${JSON.stringify({ apps: changed })};\n`);
}

function expectVerdicts(
  examination: Examination,
  expected: Record<string, 'note' | 'warning' | 'error'>,
): void {
  const found = Object.keys(expected).map((id) => [id, examination.of(id)[0]?.verdict]);
  expect(Object.fromEntries(found)).toEqual(expected);
}

beforeAll(async () => {
  cluster = await planCluster(scope, { workers: 2 });
  const { services } = cluster;
  settings = { ...settingsFor(services, 'remote'), DATA_DIR: join(cluster.folder, 'data') };
  apps = createRequire(import.meta.url)(cluster.ecosystemFile).apps;
  redis = createClient({ url: services.redisUrl });
  await redis.connect();
  scope.defer('Redis client', () => redis.destroy());
  database = new Client({ connectionString: services.databaseUrl });
  database.on('error', () => undefined);
  await database.connect();
  scope.defer('PostgreSQL client', () => database.end());
});
afterAll(() => scope.close());

beforeEach(async () => {
  await redis.configSet({ appendonly: 'yes', 'client-output-buffer-limit': GOOD_BUFFER });
  await writeSettings(cluster, settings);
  await rewrite(() => {});
});

describe('an installation', () => {
  it('is well', async () => {
    const { wrong, exitCode } = await examine(cluster);
    expect(wrong).toEqual([]);
    expect(exitCode).toBe(0);
  });
});

describe('Redis', () => {
  it('with a small buffer, evictions, no memory of its own, few connections and strangers', async () => {
    const stranger = redis.duplicate();
    await stranger.connect();
    await stranger.subscribe('socketio', () => undefined);
    const deaf = connect(Number(new URL(cluster.services.redisUrl).port), '127.0.0.1').on(
      'error',
      () => undefined,
    );
    deaf.pause();
    deaf.write('SUBSCRIBE large\r\n');
    await until(async () => (await redis.pubSubNumSub(['large'])).large === 1, {
      what: 'it listens',
      timeoutMs: 5_000,
    });
    await redis.configSet({ 'client-output-buffer-limit': 'pubsub 1mb 1mb 60', maxclients: '100' });
    await redis.configSet({ 'maxmemory-policy': 'allkeys-lru', maxmemory: '100mb', appendonly: 'no' });
    const large = 'x'.repeat(4 << 20);
    await until(async () => (await redis.publish('large', large)) === 0, {
      what: 'it is thrown out',
      timeoutMs: 5_000,
    });
    const counts = (await redis.info('stats')).includes('client_output_buffer_limit_disconnections');
    try {
      expectVerdicts(await examine(cluster), {
        'redis.buffer': 'warning',
        // Redis 7.0 does not count them.
        'redis.disconnections': counts ? 'warning' : 'note',
        'redis.eviction': 'error',
        'redis.persistence': 'warning',
        'redis.clients': 'warning',
        'redis.alone': 'error',
      });
    } finally {
      deaf.destroy();
      stranger.destroy();
      await redis.configSet({ maxclients: '10000', 'maxmemory-policy': 'noeviction', maxmemory: '0' });
      await redis.configResetStat();
    }
  });

  it('far away, and for a user who may not publish', async () => {
    await redis.sendCommand(['ACL', 'SETUSER', 'quiet', 'on', '>word', '~*', '&*', '+@all', '-publish']);
    const port = await slowly(Number(new URL(cluster.services.redisUrl).port));
    await writeSettings(cluster, { ...settings, REDIS_URL: `redis://quiet:word@127.0.0.1:${port}/0` });
    const examination = await examine(cluster);
    expectVerdicts(examination, { 'redis.latency': 'warning', 'redis.rights': 'error' });
    expect(examination.of('redis.rights')[0]?.found).toContain('publish (NOPERM');
    expect(JSON.stringify(examination.report)).not.toContain('quiet:word');
  });
});

describe('services', () => {
  it('that do not answer', async () => {
    const port = await freePort();
    await writeSettings(cluster, {
      ...settings,
      REDIS_URL: `redis://127.0.0.1:${port}`,
      DATABASE_URL: `postgresql://u:hunter2@127.0.0.1:${port}/n`,
      CHROMA_HTTP_PORT: String(port),
    });
    const examination = await examine(cluster);
    expectVerdicts(examination, {
      'redis.answers': 'error',
      'redis.shared': 'error',
      'database.answers': 'error',
      'database.shared': 'error',
      'vectors.chroma': 'error',
    });
    expect(examination.of('redis.buffer')[0]).toMatchObject({
      verdict: 'skipped',
      found: 'Redis does not answer',
    });
    expect(JSON.stringify(examination.report)).not.toContain('hunter2');
  });

  it('whose addresses are none', async () => {
    await writeSettings(cluster, {
      ...settings,
      REDIS_URL: 'http://h',
      DATABASE_URL: 'postgresql+asyncpg://h/n',
    });
    const examination = await examine(cluster);
    expectVerdicts(examination, { 'redis.answers': 'error', 'database.answers': 'error' });
    expect(examination.of('machine.plan')[0]?.verdict).toBe('skipped');
  });

  it('that are not there', async () => {
    const { DATABASE_URL: _, REDIS_URL: __, CHROMA_HTTP_HOST: ___, ...others } = settings;
    await writeSettings(cluster, others);
    expectVerdicts(await examine(cluster), {
      'redis.shared': 'error',
      'database.shared': 'error',
      'vectors.shared': 'error',
    });
  });
});

describe('the database', () => {
  it('of another version, incomplete, overruling the settings, with too few connections and no pgvector', async () => {
    const name = new URL(cluster.services.databaseUrl).pathname.slice(1);
    await database.query(`CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('7e5b5dc7342b');
      CREATE TABLE config (key text PRIMARY KEY, value json);
      INSERT INTO config VALUES ('rag.embedding_engine', '"ollama"');
      ALTER DATABASE ${name} CONNECTION LIMIT 12`);
    await writeSettings(cluster, {
      ...settings,
      VECTOR_DB: 'pgvector',
      PGVECTOR_DB_URL: 'postgresql://127.0.0.1:1/n',
    });
    const examination = await examine(cluster);
    expectVerdicts(examination, {
      'database.version': 'warning',
      'database.config': 'warning',
      'database.overruled': 'warning',
      'database.connections': 'error',
      'vectors.extension': 'error',
    });
    await database.query(`UPDATE alembic_version SET version_num = 'of_tomorrow'`);
    const later = await examine(cluster);
    expect(later.of('database.version')[0]).toMatchObject({
      verdict: 'error',
      found: expect.stringContaining('newer'),
    });
    await database.query(`DROP TABLE alembic_version, config; ALTER DATABASE ${name} CONNECTION LIMIT -1`);
  });
});

describe('settings', () => {
  it('that do not go with several workers, or are dangerous', async () => {
    await writeSettings(cluster, {
      ...settings,
      WEBUI_SECRET_KEY: 'short',
      CORS_ALLOW_ORIGIN: 'https://a.example.org',
      WEBUI_URL: 'https://b.example.org',
      DATABASE_USER_ACTIVE_STATUS_UPDATE_INTERVAL: '300',
      RESET_CONFIG_ON_START: 'true',
      ENABLE_PERSISTENT_CONFIG: 'false',
      WEBSOCKET_MANAGER: 'Redis',
    });
    const data = join(cluster.folder, 'site-packages', 'open_webui', 'data');
    await rewrite((preload) => {
      preload.env.DATA_DIR = data;
      preload.env.WEB_CONCURRENCY = '4';
    });
    expectVerdicts(await examine(cluster), {
      'settings.secret-key': 'error',
      'settings.origins': 'error',
      'settings.cookies': 'warning',
      'settings.presence': 'warning',
      'settings.reset': 'error',
      'settings.persistent': 'error',
      'settings.websockets': 'error',
      'settings.data-dir': 'error',
      'settings.worker-count': 'error',
    });
  });

  it('that cannot be read', async () => {
    await writeFile(cluster.envFile, 'A=1\nthis is no line\n', { mode: 0o600 });
    expectVerdicts(await examine(cluster), { 'settings.readable': 'error' });
    await rm(cluster.envFile);
    expectVerdicts(await examine(cluster), { 'settings.options': 'error' });
  });
});

describe('the ecosystem file', () => {
  it('with keys removed, changed and added', async () => {
    await rewrite((preload, workers) => {
      for (const name of ['WEBSOCKET_MANAGER', 'REDIS_SOCKET_TIMEOUT', 'DATABASE_POOL_SIZE'])
        delete preload.env[name];
      delete preload.env.ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS;
      preload.env[ENV.preload] = 'lean';
      delete preload.min_uptime;
      delete preload.stop_exit_codes;
      Object.assign(workers, {
        exec_mode: 'fork',
        treekill: true,
        listen_timeout: 3000,
        max_memory_restart: '300M',
      });
      Object.assign(workers, { max_memroy_restart: '1G', instances: 1000 });
    });
    await writeSettings(cluster, { ...settings, RAG_EMBEDDING_ENGINE: '' });
    expectVerdicts(await examine(cluster), {
      'settings.websockets': 'error',
      'redis.timeouts': 'warning',
      'database.pool': 'warning',
      'python.frontmatter-pip': 'warning',
      'vectors.embedding': 'warning',
      'ecosystem.shape': 'error',
      'ecosystem.timeouts': 'error',
      'ecosystem.crash-loop': 'warning',
      'ecosystem.memory-limit': 'error',
      'ecosystem.schema': 'warning',
      'ecosystem.current': 'note',
      'machine.plan': 'error',
    });
  });

  it('that PM2 cannot load', async () => {
    await writeFile(cluster.ecosystemFile, 'module.exports = { apps: [');
    const examination = await examine(cluster, ['--python', '/nowhere']);
    expectVerdicts(examination, { 'ecosystem.loads': 'error', 'python.openwebui': 'error' });
    expect(examination.of('ecosystem.shape')[0]?.found).toContain('Unexpected');
  });

  it('whose interpreter is gone', async () => {
    await rewrite((preload) => {
      preload.interpreter = '/nowhere/bin/python';
    });
    const examination = await examine(cluster);
    expectVerdicts(examination, { 'ecosystem.program': 'error', 'python.openwebui': 'error' });
    expect(examination.of('python.drivers')[0]?.verdict).toBe('skipped');
  });
});

describe('files', () => {
  it('that others can read are closed by --fix, and what a crash left is removed', async () => {
    const secrets = join(cluster.folder, 'data', '.webui-tune.env');
    const run = dirname(String(apps[0]?.env[ENV.controlSocket]));
    const dump = join(cluster.pm2.home, 'dump.pm2');
    const stale = join(run, 'generation-dead');
    await mkdir(stale, { recursive: true });
    await mkdir(cluster.pm2.home, { recursive: true });
    await writeFile(dump, '[]');
    await Promise.all([
      chmod(cluster.envFile, 0o640),
      chmod(secrets, 0o644),
      chmod(dump, 0o644),
      chmod(run, 0o755),
    ]);
    const expected = {
      'files.env-file': 'warning',
      'files.secrets': 'warning',
      'files.dump': 'warning',
      'files.run-folder': 'warning',
      'files.stale': 'note',
    } as const;
    expectVerdicts(await examine(cluster), expected);
    const fixed = await examine(cluster, ['--fix']);
    for (const id of Object.keys(expected)) expect(fixed.of(id)[0]?.fixed, id).toBeTypeOf('string');
    expect(fixed.exitCode).toBe(0);
    const modes = await Promise.all(
      [cluster.envFile, secrets, dump, run].map(async (path) => (await stat(path)).mode & 0o777),
    );
    expect(modes).toEqual([0o600, 0o600, 0o600, 0o700]);
    await expect(stat(stale)).rejects.toThrow('ENOENT');
    expect((await examine(cluster)).wrong).toEqual([]);
  });
});

describe('the machine', () => {
  it('with the port taken, and without ps', async () => {
    const server = await listen(createServer(), cluster.port);
    try {
      expectVerdicts(await examine(cluster, [], { PATH: '/nowhere' }), {
        'machine.port': 'error',
        'pm2.ps': 'warning',
      });
    } finally {
      server.close();
    }
  });
});

describe('PM2', () => {
  it('with apps that differ from the file', async () => {
    const idle = join(cluster.folder, 'idle.js');
    const dies = join(cluster.folder, 'dies.js');
    await writeFile(idle, 'setInterval(() => {}, 1000);');
    await writeFile(dies, 'process.exit(1);');
    const other = join(cluster.folder, 'other.config.js');
    const env = { WEBUI_NAME: 'left over', [ENV.port]: '1' };
    const running = [
      { name: APPS.cluster, script: idle },
      { name: APPS.preload, script: dies, env, max_restarts: 25, min_uptime: 60_000 },
    ];
    await writeFile(other, `module.exports = ${JSON.stringify({ apps: running })};`);
    await cluster.pm2.start(other);
    const state = async () =>
      (await cluster.pm2.list()).find(({ name }) => name === APPS.preload)?.pm2_env.status;
    await until(async () => (await state()) === 'errored', { what: 'PM2 gives it up', timeoutMs: 60_000 });
    expectVerdicts(await examine(cluster), {
      'pm2.runs': 'error',
      'pm2.count': 'warning',
      'pm2.environment': 'warning',
      'pm2.left-over': 'warning',
      'pm2.restarts': 'warning',
      'pm2.saved': 'note',
      'pm2.logs': 'note',
    });
    await writeFile(join(cluster.pm2.home, 'pm2.log'), 'PM2 version          : 6.0.14\n', { flag: 'a' });
    expectVerdicts(await examine(cluster), { 'pm2.version': 'error' });
  });
});

describe('every check', () => {
  /** Those of a running cluster are in doctor.test.ts; what no test machine can be made to have, in the unit tests. */
  const ELSEWHERE = [
    ...[
      'python.drivers',
      'python.migrations',
      'redis.sentinel',
      'database.local-disk',
      'files.room',
      'pm2.boot',
    ],
    ...['machine.limits', 'machine.memory'],
  ];

  it('has found something wrong here', () => {
    const missing = CHECKS.filter(
      ({ id, group }) => group !== 'cluster' && !seen.has(id) && !ELSEWHERE.includes(id),
    );
    expect(missing.map(({ id }) => id)).toEqual([]);
  });
});

/** A port behind which everything takes 5 ms. */
async function slowly(target: number): Promise<number> {
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const [from, to] of [[client, upstream] as const, [upstream, client] as const]) {
      from.on('data', (data) => setTimeout(() => to.writable && to.write(data), 5));
      from.on('close', () => to.destroy());
      from.on('error', () => to.destroy());
    }
  });
  await listen(server, 0);
  scope.defer('the slow port', () => void server.close());
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

function listen(server: Server, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
