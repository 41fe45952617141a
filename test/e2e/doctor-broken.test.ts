/** A doctor looks at an installation that does not run yet, with real services, one thing after the other broken. */
import { chmod, mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createRequire } from 'node:module';
import { connect, createServer, type Server } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { Client } from 'pg';
import { createClient } from 'redis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Scope } from '../../src/base/io/scope.ts';
import { killAll } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { startRedis } from '../../src/bench/scratch/redis.ts';
import { backupStatePath, changeBackupState } from '../../src/runtime/backups/state.ts';
import { APPS, ENV, RUNTIME_FILES } from '../../src/runtime/contract.ts';
import { Journal } from '../../src/setup/journal/journal.ts';
import { type Cluster, planCluster, writeSettings } from '../kit/cluster.ts';
import { examine, expectAllSeen, expectVerdicts, placeModel } from '../kit/doctor.ts';
import { installPackages } from '../kit/embedded-postgres.ts';
import { openWebuiEnvironment, ROOT } from '../kit/environment.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { freePort } from '../kit/ports.ts';
import { startSentinel } from '../kit/sentinel.ts';
import { settingsFor, startServices } from '../kit/services.ts';

const GOOD_BUFFER = 'pubsub 1073741824 268435456 180';
const scope = new Scope();
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

beforeAll(async () => {
  cluster = await planCluster(scope, { workers: 2, services: await startServices(scope) });
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
    await redis.configSet({ 'client-output-buffer-limit': 'pubsub 1mb 1mb 60', maxclients: '100' });
    await redis.configSet({ 'maxmemory-policy': 'allkeys-lru', maxmemory: '100mb', appendonly: 'no' });
    try {
      expectVerdicts(await examine(cluster), {
        'redis.buffer': 'warning',
        'redis.eviction': 'error',
        'redis.persistence': 'warning',
        'redis.clients': 'warning',
        'redis.alone': 'error',
      });
    } finally {
      stranger.destroy();
      await redis.configSet({ maxclients: '10000', 'maxmemory-policy': 'noeviction', maxmemory: '0' });
    }
  });

  it('that has thrown somebody out for a full buffer', async () => {
    // Redis 7.0 does not count them.
    const { valkey: program } = await installPackages(await temporaryFolder(scope, 'packages'));
    const server = await startRedis(scope, { program });
    const client = createClient({ url: server.url });
    await client.connect();
    await client.configSet({ 'client-output-buffer-limit': 'pubsub 1mb 1mb 60' });
    const deaf = connect(server.port, '127.0.0.1').on('error', () => undefined);
    deaf.pause();
    deaf.write('SUBSCRIBE large\r\n');
    await until(async () => (await client.pubSubNumSub(['large'])).large === 1, {
      what: 'it listens',
      timeoutMs: PATIENCE_MS,
    });
    await until(async () => (await client.publish('large', 'x'.repeat(4 << 20))) === 0, {
      what: 'it is thrown out',
      timeoutMs: PATIENCE_MS,
    });
    deaf.destroy();
    client.destroy();
    await writeSettings(cluster, { ...settings, REDIS_URL: server.url });
    const examination = await examine(cluster);
    expectVerdicts(examination, { 'redis.disconnections': 'warning' });
    expect(examination.of('redis.answers')[0]?.found).toContain('Valkey');
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

  it('with too little memory to make the index of its vectors', async () => {
    const name = new URL(cluster.services.databaseUrl).pathname.slice(1);
    await database.query(`ALTER DATABASE ${name} SET maintenance_work_mem = '32MB'`);
    await writeSettings(cluster, { ...settings, VECTOR_DB: 'pgvector' });
    expectVerdicts(await examine(cluster), { 'vectors.index': 'warning' });
    await database.query(`ALTER DATABASE ${name} SET maintenance_work_mem = '128MB'`);
    expect((await examine(cluster)).of('vectors.index')[0]?.verdict).toBe('ok');
    await database.query(`ALTER DATABASE ${name} RESET maintenance_work_mem`);
  });
});

describe('SQLite', () => {
  it('with more connections than there is memory for their caches', async () => {
    const { DATABASE_URL: _, ...others } = settings;
    // 4 GiB each: 512 of them are more than any machine has.
    const cache = { DATABASE_SQLITE_PRAGMA_CACHE_SIZE: `${-4 << 20}` };
    await rewrite((preload) => {
      delete preload.env.DATABASE_POOL_SIZE;
    });
    const verdictOf = (name: string, { of }: Awaited<ReturnType<typeof examine>>) => of(name)[0]?.verdict;
    await writeSettings(cluster, { ...others, DATABASE_POOL_SIZE: '8' });
    expect(verdictOf('database.sqlite-pool', await examine(cluster))).toBe('ok');
    await writeSettings(cluster, { ...others, ...cache });
    expectVerdicts(await examine(cluster), { 'database.sqlite-pool': 'warning' });
  });
});

describe('a model of Hugging Face that is not here', () => {
  const MODEL = 'sentence-transformers/all-MiniLM-L6-v2';
  /** Settings of an installation that embeds by itself; nothing forbids to fetch the model. */
  const local = async (further: Record<string, string>) => {
    const { RAG_EMBEDDING_ENGINE: _, RAG_EMBEDDING_MODEL: __, HF_HUB_OFFLINE: ___, ...others } = settings;
    const cache = await temporaryFolder(scope, 'hf');
    await writeSettings(cluster, { ...others, OFFLINE_MODE: 'false', HF_HOME: cache, ...further });
    return join(cache, 'hub');
  };

  it.each([
    ['refused', { HF_ENDPOINT: 'http://127.0.0.1:9' }, 'Connection refused'],
    ['not resolved', { HF_ENDPOINT: 'http://hub.invalid' }, /not known|resolution/],
    // A name server that answers nobody is not asked by a proxy's client.
    ['behind a proxy', { HF_ENDPOINT: 'https://hub.invalid', HTTPS_PROXY: 'http://127.0.0.1:9' }, 'refused'],
    ['no Hugging Face', { HF_ENDPOINT: 'SERVICES' }, 'it answers with 404'],
  ])('and whose address is %s', async (_, { HF_ENDPOINT, ...further }, reason) => {
    // The language model's upstream knows other questions only.
    const endpoint = HF_ENDPOINT === 'SERVICES' ? new URL(cluster.services.upstream.url).origin : HF_ENDPOINT;
    const cache = await local({ HF_ENDPOINT: endpoint, ...further });
    const examination = await examine(cluster);
    expectVerdicts(examination, { 'vectors.model': 'error', 'vectors.hub': 'error' });
    expect(examination.of('vectors.model')[0]?.found).toBe(
      `the embedding model ${MODEL} is missing: it is not in the cache ${cache}`,
    );
    const [hub] = examination.of('vectors.hub');
    expect(hub?.found).toContain(`${MODEL} cannot be had from ${endpoint}: `);
    expect(hub?.found).toMatch(reason);
    expect(hub?.mend.join()).toContain(`copy its folder of ~/.cache/huggingface/hub to ${cache}`);
  });

  it('and that a proxy refuses to fetch without a password', async () => {
    const proxy = createHttpServer().on('connect', (_, socket) => {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
    });
    await listen(proxy, 0);
    const address = `http://me:word-of-proxy@127.0.0.1:${portOf(proxy)}`;
    await local({ HF_ENDPOINT: 'https://hub.invalid', HTTPS_PROXY: address });
    const { of, report } = await examine(cluster);
    proxy.close();
    expect(of('vectors.hub')[0]).toMatchObject({ verdict: 'error', found: expect.stringContaining('407') });
    expect(JSON.stringify(report)).not.toContain('word-of-proxy');
  });

  it('and that a mirror has is fetched by the next start', async () => {
    const asked: (string | undefined)[] = [];
    const mirror = createHttpServer((request, response) => {
      asked.push(request.url);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ id: MODEL, modelId: MODEL, sha: 'a', siblings: [], tags: [] }));
    });
    await listen(mirror, 0);
    await local({ HF_ENDPOINT: `http://127.0.0.1:${portOf(mirror)}` });
    const { of } = await examine(cluster);
    mirror.close();
    expect(of('vectors.model')[0]).toMatchObject({
      verdict: 'warning',
      found: expect.stringContaining('it can be fetched'),
      mend: [expect.stringContaining(`pm2 restart ${APPS.preload}`)],
    });
    expect(of('vectors.hub')[0]?.verdict).toBe('ok');
    expect(asked).toEqual([`/api/models/${MODEL}`]);
  });

  it('and that a setting forbids to fetch', async () => {
    await local({ HF_HUB_OFFLINE: '1', HF_ENDPOINT: 'http://127.0.0.1:9' });
    expect((await examine(cluster)).of('vectors.hub')[0]).toMatchObject({
      verdict: 'error',
      found: `${MODEL} is missing, and HF_HUB_OFFLINE forbids to fetch it`,
    });
  });

  it('or of which a download has left a part; whole, it is here and nobody is asked', async () => {
    const cache = await local({ HF_ENDPOINT: 'http://127.0.0.1:9' });
    const { embeddingModel } = openWebuiEnvironment();
    const snapshot = await placeModel(cache, MODEL);
    // As the library lays a model out: folders that are folders, with links in them.
    for (const entry of await readdir(embeddingModel, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const link = join(snapshot, relative(embeddingModel, path));
      await mkdir(dirname(link), { recursive: true });
      await symlink(entry.name === 'model.safetensors' ? join(cache, 'nowhere') : path, link);
    }
    expect((await examine(cluster)).of('vectors.model')[0]?.found).toContain('it is not whole in the cache');
    await rm(join(snapshot, 'model.safetensors'));
    await symlink(join(embeddingModel, 'model.safetensors'), join(snapshot, 'model.safetensors'));
    const { of } = await examine(cluster);
    expect(of('vectors.model')[0]).toMatchObject({
      verdict: 'ok',
      found: `${MODEL} in the cache ${cache}`,
    });
    expect(of('vectors.hub')[0]).toMatchObject({
      verdict: 'ok',
      found: expect.stringContaining('not needed'),
    });
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

  it('that no worker starts with, and that nobody would wish for', async () => {
    await writeSettings(cluster, {
      ...settings,
      THREAD_POOL_SIZE: 'many',
      // Of the length of a key, and none.
      WEBUI_SECRET_KEY: 'k'.repeat(44),
      OAUTH_SESSION_TOKEN_ENCRYPTION_KEY: '',
      MFA_ENCRYPTION_KEY: 'short',
    });
    const examination = await examine(cluster);
    expectVerdicts(examination, {
      'settings.token-keys': 'error',
      'settings.threads': 'warning',
      'settings.oauth': 'note',
      'settings.extraction': 'note',
    });
    expect(examination.of('settings.token-keys').map(({ found }) => found)).toEqual([
      expect.stringContaining('WEBUI_SECRET_KEY has 44 characters'),
      expect.stringContaining('OAUTH_SESSION_TOKEN_ENCRYPTION_KEY is empty'),
      expect.stringContaining('MFA_ENCRYPTION_KEY'),
    ]);
    expect(JSON.stringify(examination.report)).not.toContain('kkkk');
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
      for (const name of [
        'WEBSOCKET_MANAGER',
        'REDIS_SOCKET_TIMEOUT',
        'DATABASE_POOL_SIZE',
        'THREAD_POOL_SIZE',
      ])
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
      'settings.threads': 'warning',
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

describe('no installation at all', () => {
  it('is what `up` makes', async () => {
    const home = await temporaryFolder(scope, 'empty');
    const nowhere = { ...cluster, ecosystemFile: '', folder: home, pm2: { home: join(home, 'pm2') } };
    const { of } = await examine(nowhere as Cluster, [], { PATH: '/nowhere', HOME: home });
    expect(of('python.openwebui')[0]).toMatchObject({
      verdict: 'error',
      mend: expect.arrayContaining(['webui-tune up installs it']),
    });
  });
});

describe('a restore', () => {
  it('that was killed half-way is named, with the command that resumes it', async () => {
    const journal = new Journal(join(cluster.folder, 'home', '.local', 'share', 'webui-tune'));
    journal.write({
      command: 'restore',
      what: 'the restore of /backups/monday.tar',
      begun: '2026-11-29T12:00:00.000Z',
      step: 'put the uploads in place',
      undoing: false,
      data: {},
    });
    const examination = await examine(cluster);
    expectVerdicts(examination, { 'files.unfinished': 'error' });
    expect(examination.of('files.unfinished')[0]?.found).toContain('the restore of /backups/monday.tar');
    journal.remove();
    expect((await examine(cluster)).of('files.unfinished')[0]?.verdict).toBe('ok');
  });
});

describe('backups by themselves', () => {
  it('whose last attempt failed, and that have none', async () => {
    const path = backupStatePath(join(cluster.folder, 'home/.local/share/webui-tune'));
    const failure = { at: new Date().toISOString(), reason: 'no space left', busy: false };
    await changeBackupState(path, () => ({ schedule: 'daily', folder: '/backups', made: [], failure }));
    const examination = await examine(cluster);
    expectVerdicts(examination, { 'files.backups': 'error' });
    expect(examination.of('files.backups')[0]?.found).toContain('no space left; the last good one is none');
    await rm(path);
    expect((await examine(cluster)).of('files.backups')[0]?.verdict).toBe('ok');
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
    await until(async () => (await state()) === 'errored', {
      what: 'PM2 gives it up',
      timeoutMs: PATIENCE_MS,
    });
    expectVerdicts(await examine(cluster), {
      'pm2.runs': 'error',
      'pm2.count': 'warning',
      'pm2.environment': 'warning',
      'pm2.left-over': 'warning',
      'pm2.restarts': 'warning',
      'pm2.saved': 'note',
      'pm2.logs': 'note',
    });
    // With the rotation of `up` in the file, PM2 has to run it; between two runs it is stopped.
    const rotating = `module.exports = ${JSON.stringify({ apps: [...apps, ROTATION] })};`;
    await writeFile(cluster.ecosystemFile, rotating);
    const unrotated = await examine(cluster);
    expectVerdicts(unrotated, { 'pm2.logs': 'warning' });
    const start = `pm2 start ${cluster.ecosystemFile} --only ${APPS.logrotate}`;
    expect(unrotated.of('pm2.logs')[0]?.mend).toEqual([start]);
    await cluster.pm2.run(...start.split(' ').slice(1));
    const rotated = async () => (await examine(cluster)).of('pm2.logs')[0];
    expect(await rotated()).toMatchObject({
      verdict: 'ok',
      found: expect.stringContaining(`${APPS.logrotate} shortens them (${ROTATION.cron_restart})`),
    });
    await until(
      async () =>
        (await cluster.pm2.list()).find(({ name }) => name === APPS.logrotate)?.pm2_env.status === 'stopped',
      { what: 'it has done its work', timeoutMs: PATIENCE_MS },
    );
    expect((await rotated())?.verdict).toBe('ok');
    await writeFile(join(cluster.pm2.home, 'pm2.log'), 'PM2 version          : 6.0.14\n', { flag: 'a' });
    expectVerdicts(await examine(cluster), { 'pm2.version': 'error' });
  });
});

const isRoot = process.getuid?.() === 0;
const OF_ROOT = ['files.room', 'python.drivers', 'python.migrations', 'machine.limits'].concat([
  'database.local-disk',
  'pm2.boot',
]);
if (!isRoot) process.stderr.write('skipped: the doctor of a broken disk and environment. This is no root\n');

describe.skipIf(!isRoot)('what root alone can break, in a namespace of its own', () => {
  /** Runs the doctor where these commands have been run; nobody else sees what they did. */
  const after = (commands: string) =>
    examine(cluster, [], {}, [
      '/usr/bin/unshare',
      '--mount',
      '/bin/sh',
      '-ec',
      `${commands}; exec "$@"`,
      'sh',
    ]);
  const packages = () => join(openWebuiEnvironment().folder, 'lib', 'python3.*', 'site-packages');
  /** What is changed in site-packages is changed in a layer above it. */
  const layer = () => {
    const made = join(cluster.folder, 'layer');
    return `mkdir -p ${made}; mount -t tmpfs none ${made}; mkdir ${made}/upper ${made}/work; cd ${packages()};
      mount -t overlay none -o lowerdir=$PWD,upperdir=${made}/upper,workdir=${made}/work $PWD; cd $PWD`;
  };

  it('a disk that is nearly full', async () => {
    const data = join(cluster.folder, 'data');
    const secrets = join(data, '.webui-tune.env');
    const small = (size: string) =>
      after(`cp ${secrets} /tmp/.$$; mount -t tmpfs -o size=${size} none ${data}; mv /tmp/.$$ ${secrets}`);
    expectVerdicts(await small('1g'), { 'files.room': 'warning' });
    expectVerdicts(await small('64m'), { 'files.room': 'error' });
  });

  it('packages that are not there, and files of two versions', async () => {
    expectVerdicts(await after(`${layer()}; rm -r psycopg2 psycopg pgvector`), { 'python.drivers': 'error' });
    const examination = await after(
      `${layer()}; cd open_webui/migrations/versions; sed 's/^revision.*/revision = "of_another"/' 7e5b5dc7342b*.py > another.py`,
    );
    expectVerdicts(examination, { 'python.migrations': 'error' });
  });

  it('no packages that run local models', async () => {
    await writeSettings(cluster, { ...settings, RAG_EMBEDDING_ENGINE: '', RAG_EMBEDDING_MODEL: 'a/b' });
    const { of } = await after(`${layer()}; rm -r torch sentence_transformers`);
    expect(of('vectors.model')[0]).toMatchObject({
      verdict: 'error',
      found: expect.stringContaining('sentence-transformers, torch is not installed for'),
      mend: [expect.stringContaining('-m pip install sentence-transformers torch')],
    });
  });

  it('an SQLite file on a disk of another machine', async () => {
    const { DATABASE_URL: _, ...others } = settings;
    const elsewhere = await temporaryFolder(scope, 'elsewhere');
    // What sshfs is to the kernel; this one holds no files.
    const mounted = `python3 ${join(ROOT, 'test', 'kit', 'empty-fuse.py')} ${elsewhere} &
      until grep --quiet ' ${elsewhere} .* fuse.sshfs ' /proc/self/mountinfo; do kill -0 $!; done`;
    await writeSettings(cluster, { ...others, DATABASE_URL: `sqlite:///${elsewhere}/webui.db` });
    expect((await examine(cluster)).of('database.local-disk')[0]?.verdict).toBe('ok');
    const examination = await after(mounted);
    expectVerdicts(examination, { 'database.local-disk': 'error' });
    expect(examination.of('database.local-disk')[0]?.found).toBe(`${elsewhere}/webui.db is on fuse.sshfs`);
  });

  it('a boot script of PM2’s that waits for nothing, until it is told to', async () => {
    const made = await temporaryFolder(scope, 'etc');
    const program = join(ROOT, 'node_modules', 'pm2', 'bin', 'pm2');
    // PM2's own, written to a layer above /etc that nobody else sees.
    const startup = `mkdir -p ${made}/upper ${made}/work
      mount -t overlay none -o lowerdir=/etc,upperdir=${made}/upper,workdir=${made}/work /etc
      ${process.execPath} ${program} startup systemd -u root > ${made}/log 2>&1`;
    const unit = '/etc/systemd/system/pm2-root.service';
    const examination = await after(startup);
    expectVerdicts(examination, { 'pm2.boot': 'note' });
    expect(examination.of('pm2.boot')[0]).toMatchObject({
      found: expect.stringContaining(`${unit} does not wait for postgresql.service redis-server.service`),
      mend: [
        'systemctl edit $(basename /etc/systemd/system/pm2-root.service): [Unit] After=postgresql.service redis-server.service',
      ],
    });
    const edited = `mkdir -p ${unit}.d
      printf '[Unit]\\nAfter=postgresql.service redis-server.service\\n' > ${unit}.d/override.conf`;
    expect((await after(`${startup}; ${edited}`)).of('pm2.boot')[0]?.verdict).toBe('ok');
  });

  it.each([
    ['to Hugging Face', 'http://203.0.113.7', /timed out|no answer within 5 s/],
    ['to the name server', 'http://hub.example', 'no answer within 5 s'],
  ])('a network in which what goes %s vanishes', async (_, endpoint, reason) => {
    const { RAG_EMBEDDING_ENGINE: __, RAG_EMBEDDING_MODEL: ___, HF_HUB_OFFLINE: ____, ...others } = settings;
    const further = { OFFLINE_MODE: 'false', HF_HOME: cluster.folder, HF_ENDPOINT: endpoint };
    await writeSettings(cluster, { ...others, ...further });
    const servers = join(await temporaryFolder(scope, 'servers'), 'resolv.conf');
    await writeFile(servers, 'nameserver 203.0.113.53\n');
    const vanish = `mount --bind ${servers} /etc/resolv.conf; ip link set lo up; ip route add 203.0.113.0/24 dev lo`;
    const through = ['/usr/bin/unshare', '--net', '--mount', '/bin/sh', '-ec', `${vanish}; exec "$@"`, 'sh'];
    const examination = await examine(cluster, [], {}, through);
    expectVerdicts(examination, { 'vectors.hub': 'error' });
    expect(examination.of('vectors.hub')[0]?.found).toMatch(reason);
  });

  it('few files that may be open', async () => {
    expectVerdicts(await after('ulimit -n 256'), { 'machine.limits': 'warning' });
  });
});

describe('a cluster of Redis', () => {
  it('that is asked as a single server, and the other way round', async () => {
    const node = await startRedis(scope, { further: ['--cluster-enabled', 'yes'] });
    const client = createClient({ url: node.url });
    await client.connect();
    await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383']);
    await until(
      async () => (await client.sendCommand(['CLUSTER', 'INFO']))?.toString().includes('cluster_state:ok'),
      {
        what: 'the cluster is whole',
        timeoutMs: PATIENCE_MS,
      },
    );
    client.destroy();
    const ofCluster = { ...settings, REDIS_URL: node.url };
    const found = async (variables: Record<string, string>) => {
      await writeSettings(cluster, variables);
      return examine(cluster);
    };
    expectVerdicts(await found(ofCluster), { 'redis.cluster': 'error' });
    expectVerdicts(await found({ ...ofCluster, REDIS_CLUSTER: 'true' }), { 'redis.cluster': 'note' });
    expectVerdicts(await found({ ...settings, REDIS_CLUSTER: 'true' }), { 'redis.cluster': 'error' });
  });
});

describe('Sentinel', () => {
  it('that would not fail over, or not soon', async () => {
    const sentinel = await startSentinel(scope);
    const found = async () => {
      await writeSettings(cluster, { ...settings, ...sentinel.settings });
      return examine(cluster);
    };
    expect((await found()).of('redis.sentinel')).toMatchObject([
      { verdict: 'ok', found: expect.stringContaining('3 sentinels answer, 2 must agree') },
    ]);
    const [gone] = sentinel.sentinels.slice(-1);
    await killAll(gone ? [gone] : []);
    const withoutOne = await found();
    expectVerdicts(withoutOne, { 'redis.sentinel': 'warning' });
    expect(withoutOne.of('redis.sentinel')[0]?.found).toMatch(/^the sentinel 127\.0\.0\.3: .*ECONNREFUSED/);
    await sentinel.set('quorum', '3');
    await sentinel.set('down-after-milliseconds', '30000');
    const words = (await found()).of('redis.sentinel').map((finding) => finding.found);
    expect(words).toEqual([
      expect.stringContaining('3 must agree: if one of them is down, nothing fails over'),
      expect.stringContaining('wait 30 s'),
      expect.stringContaining('127.0.0.3'),
    ]);
  });
});

describe('every check of what does not run', () => {
  it('has found something broken here', () => expectAllSeen(false, isRoot ? [] : OF_ROOT));
});

/** How `up` has PM2 shorten logs (render/apps.ts, embeddedApp). */
const ROTATION = {
  name: APPS.logrotate,
  script: join(ROOT, 'dist', 'runtime', RUNTIME_FILES.logrotate),
  exec_mode: 'fork',
  autorestart: false,
  cron_restart: '*/5 * * * *',
  pmx: false,
  vizion: false,
};

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

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
  return portOf(server);
}

function listen(server: Server, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
