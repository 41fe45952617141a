/** A doctor looks at a real cluster while it serves, and while one thing after the other is broken. */
import { once } from 'node:events';
import { cp, mkdir, utimes, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Client } from 'pg';
import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findNginx } from '../../scripts/nginx.mjs';
import { Scope } from '../../src/base/io/scope.ts';
import { killAll } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { listenersOn } from '../../src/base/machine/listeners.ts';
import { connectTo, ownerOf } from '../../src/bench/client/connections.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { CHECKS } from '../../src/doctor/checks/index.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { type Cluster, planCluster, startCluster, workerOf } from '../kit/cluster.ts';
import { examine, expectAllSeen, expectVerdicts, placeModel } from '../kit/doctor.ts';
import { openWebuiEnvironment } from '../kit/environment.ts';
import { startNginx } from '../kit/nginx.ts';
import { PATIENCE_MS } from '../kit/patience.ts';

const RECOVERY_MS = 60_000;
/** A preload process imports for 7 s on an idle machine. */
const START_MS = 100_000;
/** Of one installation: vitest.config.ts. */
const HOOK_MS = 180_000;
const WORKERS = 2;
const scope = new Scope();
let cluster: Cluster;
/** Another installation: its workers draw the same ids, and embed with a model that is not there. */
let other: Cluster;
let hubCache: string;
const MODEL = 'sentence-transformers/all-MiniLM-L6-v2';
let redis: ReturnType<typeof createClient>;

/** What replaces Python's ids: it counts on by itself, from a state that each worker has from the preload process. */
const COUNTED_IDS = `import random, uuid
drawn = random.Random(7)
uuid.uuid4 = lambda: uuid.UUID(int=drawn.getrandbits(128), version=4)
`;

async function startOther(): Promise<Cluster> {
  const cache = await temporaryFolder(scope, 'hf');
  const planned = await planCluster(scope, {
    workers: WORKERS,
    settings: {
      RAG_EMBEDDING_ENGINE: '',
      RAG_EMBEDDING_MODEL: MODEL,
      // Nobody is there, and there is no model in the cache.
      HF_ENDPOINT: 'http://127.0.0.1:9',
      HF_HOME: cache,
      HF_HUB_OFFLINE: '0',
      OFFLINE_MODE: 'false',
    },
  });
  hubCache = join(cache, 'hub');
  const python = join(planned.folder, 'python');
  await mkdir(python);
  await writeFile(join(python, 'sitecustomize.py'), COUNTED_IDS);
  const { apps } = createRequire(import.meta.url)(planned.ecosystemFile);
  for (const { name, env } of apps) if (name === APPS.preload) env.PYTHONPATH = python;
  await writeFile(planned.ecosystemFile, `module.exports = ${JSON.stringify({ apps })};\n`);
  await planned.pm2.start(planned.ecosystemFile);
  await planned.untilServing(WORKERS);
  return planned;
}

beforeAll(async () => {
  cluster = await startCluster(scope, { workers: WORKERS });
  other = await startOther();
  redis = createClient({ url: cluster.services.redisUrl });
  redis.on('error', () => undefined);
  await redis.connect();
  scope.defer('Redis client', () => redis.destroy());
  // As the documentation of Open WebUI wants it.
  await redis.configSet({ appendonly: 'yes', 'client-output-buffer-limit': 'pubsub 1gb 256mb 180' });
  // Two installations, one after the other.
}, 2 * HOOK_MS);
afterAll(() => scope.close());

const plugin = (id: string, requirements: string, code: string) => ({
  id,
  name: id,
  meta: { description: id },
  content: `"""\ntitle: ${id}\nrequirements: ${requirements}\n"""\n${code}\n`,
});

/** Runs code in one worker, as the tools do that people install: Open WebUI imports them. */
async function runInside(pid: number, code: string): Promise<void> {
  const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
  const connection = await connectTo(
    (owner) => owner === pid,
    cluster,
    () => cluster.pythonWorkers(),
  );
  const tool = plugin('inside', '', `${code}\nclass Tools:\n    pass`);
  await ui.call('POST', '/api/v1/tools/create', tool, connection);
  connection.destroy();
  await ui.call('DELETE', '/api/v1/tools/id/inside/delete');
}

/** A request at this worker whose body never comes: it is at work until the socket is destroyed. */
async function halfRequest(pid: number): Promise<Socket> {
  return until(
    async () => {
      const socket = connect(cluster.port, '127.0.0.1');
      socket.on('error', () => undefined); // it is cut in the end
      await once(socket, 'connect');
      const { localPort = 0 } = socket;
      const owner = await ownerOf({ localPort }, cluster.port, () => cluster.pythonWorkers());
      if (owner !== pid) {
        socket.destroy();
        return undefined;
      }
      socket.write(
        'POST /api/v1/auths/signin HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
      );
      return socket;
    },
    { what: `a request at worker ${pid}`, timeoutMs: RECOVERY_MS, intervalMs: 0 },
  );
}

const untilDeaf = (worker: number) =>
  until(() => !listenersOn('/', cluster.port)?.some(({ pid }) => pid === worker), {
    what: `worker ${worker} does not listen`,
    timeoutMs: RECOVERY_MS,
  });

/** A supervisor that does nothing, so that what is broken stays so. */
async function withFrozenSupervisor(run: (supervisor: { pid: number; worker: number }) => Promise<void>) {
  const [instance] = await cluster.instances();
  if (!instance) throw new Error('there is no instance');
  process.kill(instance.pid, 'SIGSTOP');
  try {
    await run({ pid: instance.pid, worker: workerOf(instance) });
  } finally {
    process.kill(instance.pid, 'SIGCONT');
  }
  await cluster.untilServing(WORKERS);
}

describe('a cluster that serves', () => {
  it('is well, and its events cross', async () => {
    const { wrong, of, exitCode } = await examine(cluster);
    expect(wrong).toEqual([]);
    expect(exitCode).toBe(0);
    for (const check of [
      'serves',
      'preload',
      'generation',
      'count',
      'listening',
      'connections',
      'identities',
      'events',
      'embeds',
      'reads',
    ])
      expect(of(`cluster.${check}`), check).toMatchObject([{ verdict: 'ok' }]);
    expect(of('cluster.identities')[0]?.found).toBe('2 workers, 4 ids');
    expect(of('cluster.events')[0]?.found).toMatch(/^to a browser at each of 2 workers and back/);
    expect(of('cluster.embeds')[0]?.found).toMatch(
      /^each of 2 workers embedded one by openai: 256 dimensions, within \d+ ms$/,
    );
    expect(of('cluster.reads')[0]?.found).toMatch(
      /^each of 2 workers read a page of HTML by itself, within \d+ ms$/,
    );
    expect(of('vectors.model')[0]?.found).toBe('none is needed: the settings name no local model');
    expect(of('redis.alone')[0]?.found).toBe('2 listen, and 2 workers of ours run');
    expect(of('redis.answers')[0]?.found).toMatch(/^Redis \d+\.\d+\.\d+ at 127\.0\.0\.1:/);
  });
});

if (!findNginx()) process.stderr.write('skipped: the doctor behind a proxy. nginx is missing\n');

describe.skipIf(!findNginx()).sequential('behind nginx', () => {
  /** As the documentation has it. */
  const good = () => [
    `proxy_pass http://127.0.0.1:${cluster.port}`,
    'proxy_http_version 1.1',
    'proxy_set_header Upgrade $http_upgrade',
    'proxy_set_header Connection "upgrade"',
    'proxy_set_header Host $http_host',
    'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for',
    'proxy_set_header X-Forwarded-Proto $scheme',
    'proxy_buffering off',
    'client_max_body_size 100M',
    'gzip on',
    'gzip_proxied any',
    'gzip_types application/json',
  ];

  /** Verdicts and words of all checks of the proxy. */
  async function look(location: readonly string[], ...args: string[]) {
    const nginx = await startNginx(scope, location.map((line) => `${line};`).join(' '));
    const found = await lookAt(nginx.url, { NODE_EXTRA_CA_CERTS: nginx.certificate }, args);
    await nginx.stop();
    return found;
  }

  async function lookAt(url: string, env: Record<string, string> = {}, args: string[] = []) {
    const examination = await examine(cluster, args, { ...env, WEBUI_URL: url });
    const names = ['answers', 'websockets', 'buffering', 'silence', 'headers', 'uploads', 'compression'];
    const verdicts = names.map((name) => [
      name,
      examination.of(`proxy.${name}`).map(({ verdict }) => verdict),
    ]);
    return { ...examination, verdicts: Object.fromEntries(verdicts) };
  }

  const allOk = {
    answers: ['ok'],
    websockets: ['ok'],
    buffering: ['ok'],
    // Not asked for.
    silence: ['skipped'],
    headers: ['ok'],
    uploads: ['ok'],
    compression: ['ok'],
  };

  it('all is well as the documentation has it', async () => {
    const { verdicts, report } = await look(good());
    expect(verdicts, JSON.stringify(report.findings.slice(-8), undefined, 1)).toEqual(allOk);
  });

  it('with nothing but proxy_pass nearly nothing is', async () => {
    const { verdicts, of, ...examination } = await look(good().slice(0, 1));
    expectVerdicts(
      { ...examination, of },
      {
        'proxy.websockets': 'error',
        'proxy.buffering': 'warning',
        'proxy.headers': 'warning',
        'proxy.uploads': 'error',
        'proxy.compression': 'note',
      },
    );
    expect(verdicts).toEqual({
      answers: ['ok'],
      websockets: ['error'],
      buffering: ['warning'],
      silence: ['skipped'],
      // Host, the client's address, https.
      headers: ['warning', 'warning', 'warning'],
      uploads: ['error'],
      compression: ['note'],
    });
    expect(of('proxy.websockets')[0]?.found).toContain('Unexpected server response: 400');
    expect(of('proxy.uploads')[0]?.mend).toEqual(['nginx: client_max_body_size 100M;']);
  });

  it('on a machine that nobody has named it is not believed', async () => {
    const { verdicts, of } = await look([...good(), 'proxy_bind 127.0.0.2']);
    expect(verdicts).toEqual({ ...allOk, headers: ['warning'] });
    expect(of('proxy.headers')[0]?.mend).toEqual(['FORWARDED_ALLOW_IPS=127.0.0.2, in your settings']);
  });

  it('that waits too short a time for an answer', async () => {
    const short = await look([...good(), 'proxy_read_timeout 2s'], '--silence', '4');
    expectVerdicts(short, { 'proxy.silence': 'error' });
    expect(short.of('proxy.silence')[0]).toMatchObject({
      found: expect.stringMatching(/^an answer that was silent for 4 s was cut off after [23]\.\d s \(504\)/),
      mend: ['nginx: proxy_read_timeout 300s;'],
    });
    const long = await look([...good(), 'proxy_read_timeout 300s'], '--silence', '4');
    expect(long.verdicts).toEqual({ ...allOk, silence: ['ok'] });
  });

  it('that leads to the workers of another installation', async () => {
    const [proxyPass, ...rest] = good();
    const astray = await look([`${proxyPass?.replace(/\d+$/, String(other.port))}`, ...rest]);
    expect(astray.verdicts).toMatchObject({ answers: ['ok'], websockets: ['error'] });
    expect(astray.of('proxy.websockets')[0]?.found).toContain('it leads to another installation');
  });

  it('that leads nowhere, or is not there', async () => {
    const nowhere = await look(['proxy_pass http://127.0.0.1:9']);
    expectVerdicts(nowhere, { 'proxy.answers': 'error' });
    expect(nowhere.of('proxy.answers')).toMatchObject([
      { verdict: 'error', found: expect.stringContaining('answers with 502') },
    ]);
    const gone = await lookAt('https://127.0.0.1:9');
    expect(gone.of('proxy.answers')).toMatchObject([
      { verdict: 'warning', found: expect.stringContaining('ECONNREFUSED') },
    ]);
    expect(gone.of('proxy.websockets')[0]?.verdict).toBe('skipped');
  });
});

describe('a cluster with', () => {
  it('a changed env file says that it waits for a restart', async () => {
    const later = new Date(Date.now() + 5_000);
    await utimes(cluster.envFile, later, later);
    const examination = await examine(cluster);
    expectVerdicts(examination, { 'cluster.settings-age': 'warning' });
    expect(examination.of('cluster.settings-age')[0]).toMatchObject({
      verdict: 'warning',
      mend: [`pm2 restart ${APPS.preload}`],
    });
    const before = new Date(Date.now() - 3_600_000);
    await utimes(cluster.envFile, before, before);
  });

  it('another key says that everybody will be signed out', async () => {
    expect((await examine(cluster)).of('settings.secret-key-kept')).toMatchObject([
      { verdict: 'ok', found: expect.stringContaining('it is (') },
    ]);
    const examination = await examine(cluster, [], { WEBUI_SECRET_KEY: 'of-another-installation' });
    expectVerdicts(examination, { 'settings.secret-key-kept': 'warning' });
    expect(JSON.stringify(examination.report)).not.toContain('of-another-installation');
  });

  it('tools and functions that ask for packages tells which are missing', async () => {
    const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
    await ui.call(
      'POST',
      '/api/v1/tools/create',
      plugin('weather', 'numpy, no-such-thing>=2', 'class Tools:\n    pass'),
    );
    await ui.call(
      'POST',
      '/api/v1/functions/create',
      plugin('filter', 'numpy<0.1', 'class Filter:\n    pass'),
    );
    const found = async () => (await examine(cluster)).of('python.requirements')[0];
    // A function is off until somebody switches it on.
    expect((await found())?.found).toBe('tool weather asks for no-such-thing>=2, which is not installed');
    await ui.call('POST', '/api/v1/functions/id/filter/toggle');
    expectVerdicts(await examine(cluster), { 'python.requirements': 'warning' });
    expect(await found()).toMatchObject({
      verdict: 'warning',
      found:
        'function filter asks for numpy<0.1, tool weather asks for no-such-thing>=2, which is not installed',
      mend: [
        expect.stringContaining("-m pip install 'numpy<0.1' 'no-such-thing>=2'"),
        'pm2 reload open-webui',
      ],
    });
    await ui.call('DELETE', '/api/v1/tools/id/weather/delete');
    await ui.call('DELETE', '/api/v1/functions/id/filter/delete');
    expect((await found())?.verdict).toBe('ok');
  });

  it.skipIf(process.getuid?.() !== 0)('another Open WebUI on the disk than in memory', async () => {
    // In a layer above the real one, which nobody but this doctor sees.
    const packages = join(openWebuiEnvironment().folder, 'lib', 'python3.*', 'site-packages');
    const layer = join(cluster.folder, 'layer');
    const install = `mkdir ${layer}; mount -t tmpfs none ${layer}; mkdir ${layer}/upper ${layer}/work; cd ${packages};
      mount -t overlay none -o lowerdir=$PWD,upperdir=${layer}/upper,workdir=${layer}/work $PWD; cd $PWD;
      touch open_webui/config.py`;
    const through = ['/usr/bin/unshare', '--mount', '/bin/sh', '-ec', `${install}; exec "$@"`, 'sh'];
    expectVerdicts(await examine(cluster, [], {}, through), { 'cluster.installed-since': 'warning' });
    expect((await examine(cluster)).of('cluster.installed-since')).toMatchObject([{ verdict: 'ok' }]);
  });

  it('documents that nobody reads, embeds or has finished', async () => {
    const database = new Client({ connectionString: cluster.services.databaseUrl });
    await database.connect();
    const find = async (...ids: string[]) => {
      const { of } = await examine(cluster);
      return ids.map((id) => of(id).map(({ verdict }) => verdict));
    };
    const checks = ['vectors.engines', 'cluster.documents', 'database.stuck-files', 'cluster.reads'];
    expect(await find(...checks)).toEqual([['ok'], ['ok'], ['ok'], ['ok']]);
    const [tika, embedding] = ['http://127.0.0.1:9', 'http://127.0.0.1:9/v1'].map((url) =>
      JSON.stringify(url),
    );
    await database.query(`UPDATE config SET value = '"tika"' WHERE key = 'rag.content_extraction_engine';
      UPDATE config SET value = '${tika}' WHERE key = 'rag.tika_server_url';
      UPDATE config SET value = '${embedding}' WHERE key = 'rag.openai.api_base_url';
      UPDATE config SET updated_at = extract(epoch FROM now()) + 120 WHERE key = 'rag.reranking_model';
      INSERT INTO file (id, user_id, filename, data, meta, created_at, updated_at)
        VALUES ('stuck', 'x', 'x.txt', '{"status": "pending"}', '{}', 0, extract(epoch FROM now()) - 4000)`);
    const untilEmbeds = (verdict: string) =>
      until(async () => [...new Set((await find('cluster.embeds'))[0])].join() === verdict, {
        what: `all workers follow the settings: ${verdict}`,
        timeoutMs: PATIENCE_MS,
      });
    await untilEmbeds('error');
    expectVerdicts(await examine(cluster), {
      'cluster.embeds': 'error',
      'vectors.engines': 'error',
      'cluster.documents': 'warning',
      'database.stuck-files': 'note',
      'cluster.reads': 'error',
    });
    expect(await find(...checks)).toEqual([['error', 'error'], ['warning'], ['note'], ['error']]);
    await database.query(`UPDATE config SET value = '""' WHERE key = 'rag.content_extraction_engine';
      UPDATE config SET value = '${JSON.stringify(cluster.services.upstream.url)}' WHERE key = 'rag.openai.api_base_url';
      UPDATE config SET updated_at = 0 WHERE key = 'rag.reranking_model';
      DELETE FROM file WHERE id = 'stuck'`);
    await untilEmbeds('ok');
    expect(await find(...checks)).toEqual([['ok'], ['ok'], ['ok'], ['ok']]);
    await database.end();
  });

  it('a sign-in by OAuth that was changed in the administration has changed in one worker', async () => {
    expect((await examine(cluster)).of('settings.oauth')).toMatchObject([{ verdict: 'note' }]);
    const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
    const pids = cluster.pythonWorkers().map(({ pid }) => pid);
    const connections = await Promise.all(
      pids.map((pid) =>
        connectTo(
          (owner) => owner === pid,
          cluster,
          () => cluster.pythonWorkers(),
        ),
      ),
    );
    const path = '/api/v1/auths/admin/config/oauth';
    const names = async () =>
      Promise.all(
        connections.map(async (connection) => {
          const config = await ui.call<Record<string, unknown>>('GET', path, undefined, connection);
          return config.OAUTH_PROVIDER_NAME;
        }),
      );
    const [before, same] = await names();
    expect(same).toBe(before);
    await ui.call('POST', path, { OAUTH_PROVIDER_NAME: 'Ours' }, connections[0]);
    expect(await names()).toEqual(['Ours', before]);
    await ui.call('POST', path, { OAUTH_PROVIDER_NAME: before }, connections[0]);
    for (const connection of connections) connection.destroy();
  });

  it('a Redis that hangs does not serve', async () => {
    const { pid } = cluster.services.redis;
    process.kill(pid, 'SIGSTOP');
    try {
      const examination = await examine(cluster);
      expectVerdicts(examination, { 'cluster.serves': 'error', 'redis.answers': 'error' });
      expect(examination.of('cluster.serves')[0]?.found).toContain('is not 200, with 2 workers');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await cluster.untilServing(WORKERS);
  });

  it('a tool that forks shares the connections of its worker', async () => {
    const before = cluster.pythonWorkers().map(({ pid }) => pid);
    const [worker = 0] = before;
    // Twice, so that it is nobody's child.
    await runInside(
      worker,
      `import os, signal
child = os.fork()
if child:
    os.waitpid(child, 0)
elif os.fork():
    os._exit(0)
else:
    while True:
        signal.pause()`,
    );
    const forked = cluster.pythonWorkers().filter(({ pid }) => !before.includes(pid));
    try {
      const examination = await examine(cluster);
      expectVerdicts(examination, { 'cluster.connections': 'error' });
      const [{ pid } = { pid: 0 }] = forked;
      const pair = `(?:${worker} and ${pid}|${pid} and ${worker})`;
      expect(examination.of('cluster.connections')[0]?.found).toMatch(
        new RegExp(`^\\d+ connections held by ${pair}$`),
      );
    } finally {
      await killAll(forked);
    }
    expect((await examine(cluster)).of('cluster.connections')[0]?.verdict).toBe('ok');
  });

  it('a worker that keeps what it is given holds more memory than was planned', async () => {
    await withFrozenSupervisor(async ({ worker }) => {
      await runInside(worker, 'import sys\nsys.kept = b"x" * (3 << 29)');
      const examination = await examine(cluster);
      expectVerdicts(examination, { 'machine.memory': 'warning' });
    });
    await until(async () => (await examine(cluster)).of('machine.memory')[0]?.verdict === 'ok', {
      what: 'its supervisor has replaced it',
      timeoutMs: RECOVERY_MS,
    });
    await cluster.untilServing(WORKERS);
  });

  it('a worker that was told to leave, and that nobody replaces, is deaf', async () => {
    await withFrozenSupervisor(async ({ worker }) => {
      const unfinished = await halfRequest(worker);
      process.kill(worker, 'SIGTERM');
      await untilDeaf(worker);
      const examination = await examine(cluster);
      expectVerdicts(examination, { 'cluster.listening': 'error' });
      expect(examination.of('cluster.listening')[0]?.found).toContain(`worker ${worker} does not listen`);
      unfinished.destroy();
    });
  });

  it('a worker that finishes its work in a reload is well', async () => {
    const [worker = 0] = (await cluster.workerPids()).values();
    const unfinished = await halfRequest(worker);
    const reload = cluster.pm2.reload(APPS.cluster);
    await untilDeaf(worker);
    const [finding] = (await examine(cluster)).of('cluster.listening');
    unfinished.destroy();
    await reload;
    expect(finding).toMatchObject({ verdict: 'note', found: expect.stringContaining(`worker ${worker}`) });
    await cluster.untilServing(WORKERS);
  });

  it(
    'a local model that is missing, and no Hugging Face, embeds nothing until the model is put there',
    async () => {
      const broken = await examine(other);
      expectVerdicts(broken, { 'cluster.embeds': 'error' });
      const workers = other.pythonWorkers().map(({ pid }) => pid);
      const [embeds] = broken.of('cluster.embeds');
      for (const pid of workers) expect(embeds?.found).toContain(`worker ${pid}`);
      expect(embeds?.found).toContain('cannot embed a sentence: No embedding model is loaded');
      const [model, hub] = ['vectors.model', 'vectors.hub'].map((id) => broken.of(id)[0]);
      expect(model).toMatchObject({
        verdict: 'error',
        found: expect.stringContaining(`${MODEL} is missing`),
      });
      expect(hub).toMatchObject({ verdict: 'error', found: expect.stringContaining('http://127.0.0.1:9: ') });
      // The page is read all the same.
      expect(broken.of('cluster.reads')[0]?.verdict).toBe('ok');
      for (const finding of [embeds, model, hub]) {
        const mend = finding?.mend.find((line) => line.includes(`hf download ${MODEL}`));
        expect(mend).toContain(hubCache);
        expect(mend).toContain(`pm2 restart ${APPS.preload}`);
      }
      // That mend, with the model's files from PyPI.
      await cp(openWebuiEnvironment().embeddingModel, await placeModel(hubCache, MODEL), { recursive: true });
      await other.pm2.restart(APPS.preload);
      const mended = await until(
        async () => {
          const now = await examine(other);
          return now.of('cluster.embeds')[0]?.verdict === 'ok' ? now : undefined;
        },
        { what: 'the new workers embed', timeoutMs: START_MS },
      );
      expect(mended.of('cluster.embeds')[0]?.found).toContain(`embedded one with ${MODEL}: 384 dimensions`);
      expect(mended.of('vectors.model')[0]?.verdict).toBe('ok');
      expect(mended.of('vectors.hub')[0]).toMatchObject({
        verdict: 'ok',
        found: expect.stringContaining('not needed'),
      });
      await other.untilServing(WORKERS);
    },
    3 * START_MS,
  );

  it('ids that are the same in all workers', async () => {
    const examination = await examine(other);
    expectVerdicts(examination, { 'cluster.identities': 'error' });
    expect(examination.of('cluster.identities')[0]?.found).toMatch(/^instances \d and \d have the same id/);
  });

  it('a killed worker whose supervisor hangs is a worker short', async () => {
    await withFrozenSupervisor(async ({ worker }) => {
      process.kill(worker, 'SIGKILL');
      const examination = await examine(cluster);
      expectVerdicts(examination, { 'cluster.count': 'error' });
      expect(examination.of('cluster.count')[0]?.found).toBe('2 instances are online, 1 workers run');
      expect(examination.exitCode).toBe(9);
    });
  });

  it('a preload of another generation has a worker of the former one', async () => {
    await withFrozenSupervisor(async ({ worker }) => {
      await cluster.pm2.restart(APPS.preload);
      const examination = await until(
        async () => {
          const now = await examine(cluster);
          const [finding] = now.of('cluster.generation');
          return finding?.verdict === 'warning' && !finding.found.includes(', worker') ? now : undefined;
        },
        { what: 'a worker is of the former generation', timeoutMs: START_MS },
      );
      expectVerdicts(examination, { 'cluster.generation': 'warning' });
      expect(examination.of('cluster.generation')[0]?.found).toContain(`worker ${worker} is of `);
    });
  });

  it('no right to the channels of rooms loses events', async () => {
    await redis.sendCommand(['ACL', 'SETUSER', 'default', 'resetchannels', '&socketio']);
    try {
      const examination = await examine(cluster);
      expectVerdicts(examination, { 'redis.rights': 'error', 'cluster.events': 'error' });
      expect(examination.of('redis.rights')[0]?.found).toContain('subscribe');
    } finally {
      await redis.sendCommand(['ACL', 'SETUSER', 'default', 'allchannels']);
    }
    await until(async () => (await examine(cluster)).of('cluster.events')[0]?.verdict === 'ok', {
      what: 'events cross again',
      timeoutMs: RECOVERY_MS,
    });
  });

  it('no preload process cannot replace a worker', async () => {
    await cluster.pm2.stop(APPS.preload);
    const examination = await examine(cluster);
    expectVerdicts(examination, { 'cluster.preload': 'error', 'pm2.runs': 'error' });
    expect(examination.of('pm2.runs')).toMatchObject([{ found: expect.stringContaining('stopped') }]);
  });
});

describe('every check of what runs', () => {
  it('has found something broken here', () => {
    const proxy = CHECKS.filter(({ group }) => group === 'proxy').map(({ id }) => id);
    const isRoot = process.getuid?.() === 0;
    expectAllSeen(true, [...(findNginx() ? [] : proxy), ...(isRoot ? [] : ['cluster.installed-since'])]);
  });
});
