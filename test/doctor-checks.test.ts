/** Rules of checks for what differs by machine or version; all of them meet the real thing broken, end to end. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../src/base/units.ts';
import { CHECKS } from '../src/doctor/checks/index.ts';
import { type ModelsFacts, neededModels, readModels } from '../src/doctor/facts/models.ts';
import type { Embedded, TrialFacts } from '../src/doctor/facts/trials.ts';
import type { Facts } from '../src/doctor/facts.ts';
import { makePlan } from '../src/plan/index.ts';
import { DEFAULT_MODEL } from '../src/runtime/contract.ts';
import { inputOf, machineOf, SERVICES } from './inputs.ts';
import { settingsOf } from './settings-of.ts';

/** As much of a fact as a check looks at. */
type Partly<T> = { [K in keyof T]?: T[K] extends object ? Partly<T[K]> : T[K] };

function verdictsOf(id: string, facts: Partly<Facts>): string[] {
  const check = CHECKS.find((one) => one.id === id);
  if (!check) throw new Error(`there is no ${id}`);
  return check.run(facts as Facts).map(({ verdict }) => verdict);
}

const dataDir = { path: '/data', freeBytes: 10 * GIB };
const sqlite = { path: '/data/webui.db', fileSystem: 'ext4' };
const worker = (pid: number, listening: string[], connected: string[]) => ({ pid, listening, connected });
const instance = (pm_id: number, identity: string) => ({
  name: 'open-webui',
  pm_id,
  pm2_env: { axm_monitor: { Identity: { value: identity } } },
});
const plan = makePlan(inputOf());
const trialsOf = (...answers: Partial<Embedded>[]): TrialFacts => ({
  workers: answers.map((answer, index) => ({
    pid: index,
    embedded: { engine: '', ms: 1, late: false, model: 'm', bypassed: false, dimensions: 0, ...answer },
    read: { engine: '', ms: 1, late: false, untried: false },
  })),
  unreached: [],
  opened: 4,
});
const modelsOf = ({ here }: { here: boolean }): ModelsFacts => ({
  models: [{ kind: 'embedding', name: DEFAULT_MODEL, here, reason: 'r' }],
  lookedBy: 'preload',
  endpoint: 'https://huggingface.co',
  cache: '/cache',
  absent: [],
  isStored: false,
  isBypassed: false,
  answers: [],
});

/** A running cluster of `plan` that holds so many bytes in all. */
function treeOf(bytes: number): Facts['cluster'] {
  const { workers, memory } = plan;
  const each = (size: number) => Array.from({ length: workers }, () => size);
  const own = {
    workers: each(memory.worker - memory.supervisor),
    supervisors: each(memory.supervisor),
  };
  return { address: { host: '127.0.0.1', port: 8080 }, workers: [], isReady: true, bytes, private: own };
}

describe.each<[string, Partly<Facts>, Partly<Facts>]>([
  ['files.room', { files: { dataDir } }, { files: { dataDir: { ...dataDir, freeBytes: GIB } } }],
  [
    'database.local-disk',
    { database: { kind: 'sqlite' }, files: { sqlite } },
    { database: { kind: 'sqlite' }, files: { sqlite: { ...sqlite, fileSystem: 'nfs4' } } },
  ],
  [
    'python.migrations',
    { expected: { heads: ['a'], revisions: ['a', 'b'] } },
    { expected: { heads: ['a', 'b'], revisions: ['a', 'b'] } },
  ],
  [
    'python.drivers',
    {
      interpreter: { python: 'p', probe: { package: { drivers: { psycopg2: true } } } },
      installation: { settings: settingsOf({ DATABASE_URL: 'postgresql://h/n' }) },
      effective: new Map(),
    },
    {
      interpreter: { python: 'p', probe: { package: { drivers: { psycopg2: false } } } },
      installation: { settings: settingsOf({ DATABASE_URL: 'postgresql://h/n' }) },
      effective: new Map(),
    },
  ],
  [
    'redis.sentinel',
    { redis: { kind: 'none' }, installation: { settings: settingsOf({}) } },
    {
      redis: { kind: 'none' },
      installation: {
        settings: settingsOf({ REDIS_SENTINEL_HOSTS: 'a', REDIS_URL: 'rediss://m' }),
      },
    },
  ],
  [
    'redis.disconnections',
    { broker: { info: { client_output_buffer_limit_disconnections: '0' } } },
    { broker: { info: { client_output_buffer_limit_disconnections: '3' } } },
  ],
  [
    'machine.limits',
    { machine: machineOf(2, GIB), services: SERVICES },
    { machine: { ...machineOf(2, GIB), openFiles: { value: 256, source: 's' } }, services: SERVICES },
  ],
  [
    'machine.memory',
    { cluster: treeOf(plan.memory.predicted), plan },
    { cluster: treeOf(plan.memory.budget + MIB), plan },
  ],
  [
    'pm2.boot',
    {
      plan: {},
      pm2: { unit: { path: 'u.service', text: 'After=network.target postgresql.service' } },
      services: { ...SERVICES, colocated: [{ name: 'PostgreSQL' }] } as unknown as Facts['services'],
    },
    {
      plan: {},
      pm2: { unit: { path: 'u.service', text: 'After=network.target' } },
      services: { ...SERVICES, colocated: [{ name: 'PostgreSQL' }] } as unknown as Facts['services'],
    },
  ],
  [
    'cluster.listening',
    {
      cluster: { address: { port: 1 }, workers: [worker(1, ['5'], []), worker(2, ['5'], [])] },
    } as Partly<Facts>,
    {
      cluster: { address: { port: 1 }, workers: [worker(1, ['5'], []), worker(2, [], [])] },
    } as Partly<Facts>,
  ],
  [
    'settings.token-keys',
    { installation: { settings: settingsOf({ WEBUI_SECRET_KEY: `${'a_-/+9'.repeat(8).slice(0, 43)}=` }) } },
    { installation: { settings: settingsOf({ OAUTH_CLIENT_INFO_ENCRYPTION_KEY: 'k'.repeat(44) }) } },
  ],
  [
    'settings.threads',
    { effective: new Map([['THREAD_POOL_SIZE', '40']]), machine: machineOf(2, GIB) },
    { effective: new Map([['THREAD_POOL_SIZE', '8']]), machine: machineOf(2, GIB) },
  ],
  [
    'settings.oauth',
    { effective: new Map([['ENABLE_OAUTH_PERSISTENT_CONFIG', 'True']]), workers: { count: 2 } },
    { effective: new Map(), workers: { count: 2 } },
  ],
  [
    'database.sqlite-pool',
    {
      database: { kind: 'sqlite' },
      effective: new Map([['DATABASE_POOL_SIZE', '8']]),
      machine: machineOf(2, 4 * GIB),
    },
    { database: { kind: 'sqlite' }, effective: new Map(), machine: machineOf(2, 32 * GIB) },
  ],
  [
    'proxy.silence',
    { proxy: { echo: {}, silence: { seconds: 90, afterMs: 90_100, status: 200 } } } as Partly<Facts>,
    { proxy: { echo: {}, silence: { seconds: 90, afterMs: 60_000, status: 504 } } } as Partly<Facts>,
  ],
  [
    'cluster.connections',
    { cluster: { workers: [worker(1, ['5'], ['6']), worker(2, ['5'], ['7'])] } } as Partly<Facts>,
    { cluster: { workers: [worker(1, ['5'], ['6']), worker(2, ['5'], ['6'])] } } as Partly<Facts>,
  ],
  [
    'cluster.identities',
    {
      cluster: { workers: [{}, {}] },
      ecosystem: { preload: {} },
      pm2: { processes: [instance(1, 'a b'), instance(2, 'c d')] },
    } as unknown as Partly<Facts>,
    {
      cluster: { workers: [{}, {}] },
      ecosystem: { preload: {} },
      pm2: { processes: [instance(1, 'a b'), instance(2, 'c b')] },
    } as unknown as Partly<Facts>,
  ],
  [
    'pm2.runs',
    {
      pm2: { processes: [{ name: 'a', pm2_env: { status: 'stopped' } }] },
      ecosystem: { apps: [{ name: 'a', cron_restart: '* * * * *' }] },
    } as unknown as Partly<Facts>,
    {
      pm2: { processes: [{ name: 'a', pm2_env: { status: 'stopped' } }] },
      ecosystem: { apps: [{ name: 'a' }] },
    } as unknown as Partly<Facts>,
  ],
  [
    'proxy.websockets',
    { proxy: { url: 'https://h', websocket: { arrivedMs: 2, answered: true } } },
    // The WebSocket opens, at somebody else's workers.
    { proxy: { url: 'https://h', websocket: { answered: false } } },
  ],
  [
    'redis.eviction',
    { broker: { info: { redis_version: '7', dragonfly_version: 'df-v1', cache_mode: 'store' } } },
    { broker: { info: { redis_version: '7', dragonfly_version: 'df-v1', cache_mode: 'cache' } } },
  ],
  [
    'cluster.embeds',
    { trials: trialsOf({ dimensions: 384 }, { dimensions: 384 }) },
    // Each embeds, and yet not alike.
    { trials: trialsOf({ dimensions: 384 }, { dimensions: 768 }) },
  ],
  [
    'cluster.embeds',
    { trials: trialsOf({ bypassed: true, error: 'No embedding model is loaded' }) },
    { trials: trialsOf({ error: 'nothing came within 20 s', late: true }) },
  ],
  [
    'cluster.embeds',
    { trials: trialsOf({ dimensions: 384 }) },
    { trials: { ...trialsOf({ dimensions: 384 }), unreached: [9] } },
  ],
  [
    'cluster.reads',
    { trials: trialsOf({}) },
    { trials: { workers: [{ pid: 1, embedded: undefined, read: undefined }], unreached: [], opened: 4 } },
  ],
  [
    'vectors.hub',
    { models: modelsOf({ here: true }), isOfUp: false },
    { models: { ...modelsOf({ here: false }), offlineBy: 'HF_HUB_OFFLINE' }, isOfUp: false },
  ],
  [
    'vectors.hub',
    { models: { ...modelsOf({ here: false }), isBypassed: true }, isOfUp: false },
    { models: modelsOf({ here: false }), isOfUp: false },
  ],
  [
    'vectors.model',
    { models: modelsOf({ here: true }), isOfUp: true, interpreter: { python: 'p' } },
    { models: modelsOf({ here: false }), isOfUp: true, interpreter: { python: 'p' } },
  ],
  [
    'pm2.logs',
    { pm2: { home: '/h', logBytes: 0, rotation: { by: 'open-webui-logrotate', schedule: '*/5 * * * *' } } },
    { pm2: { home: '/h', logBytes: 0, rotation: { by: 'pm2-logrotate', problem: 'it is errored' } } },
  ],
  // What was not looked at is not called fine.
  ['files.stale', { files: { stale: [] } }, { files: {} }],
  ['database.stuck-files', { schema: { documents: { stuck: 0, engines: [] } } }, { schema: {} }],
  [
    'cluster.documents',
    { schema: { documents: { stuck: 0, engines: [], changedAt: 1 } }, cluster: { workers: [] } },
    { schema: {}, cluster: { workers: [] } },
  ],
  [
    'database.overruled',
    { database: { kind: 'sqlite', stored: {} }, installation: { settings: settingsOf({}) } },
    {
      database: { kind: 'sqlite', stored: { 'rag.embedding_engine': 'ollama' } },
      installation: { settings: settingsOf({ RAG_EMBEDDING_ENGINE: 'openai' }) },
    },
  ],
  [
    'cluster.serves',
    { cluster: { isReady: true, workers: [], address: { host: 'h', port: 1 } } },
    { cluster: { isReady: false, workers: [], address: { host: 'h', port: 1 } } },
  ],
])('%s', (id, right, wrong) => {
  it('is well', () => expect(verdictsOf(id, right)).toEqual(['ok']));
  it('is not', () => expect(verdictsOf(id, wrong)).not.toContain('ok'));
});

describe('the models that are needed', () => {
  const names = (settings: Record<string, string>, stored: Record<string, string> = {}) =>
    neededModels(new Map(Object.entries(settings)), { kind: 'sqlite', stored }).map(({ name }) => name);

  it.each<[string, Record<string, string>, Record<string, string>, string[]]>([
    ['the default', {}, {}, [DEFAULT_MODEL]],
    ['none with an engine elsewhere', { RAG_EMBEDDING_ENGINE: 'ollama' }, {}, []],
    [
      'what the database says',
      { RAG_EMBEDDING_ENGINE: 'ollama' },
      { 'rag.embedding_engine': '' },
      [DEFAULT_MODEL],
    ],
    [
      'not what the database says where it does not count',
      { RAG_EMBEDDING_ENGINE: 'ollama', ENABLE_PERSISTENT_CONFIG: 'False' },
      { 'rag.embedding_engine': '' },
      [],
    ],
    [
      'a reranker, with a hybrid search only',
      { RAG_EMBEDDING_ENGINE: 'openai', RAG_RERANKING_MODEL: 'a/r', ENABLE_RAG_HYBRID_SEARCH: 'true' },
      {},
      ['a/r'],
    ],
    ['no reranker without', { RAG_EMBEDDING_ENGINE: 'openai', RAG_RERANKING_MODEL: 'a/r' }, {}, []],
    ['none in the slim image', { USE_SLIM_DOCKER: 'true' }, {}, []],
  ])('are %s', (_, settings, stored, expected) => expect(names(settings, stored)).toEqual(expected));

  it('are those that the preload process names, while it runs', async () => {
    const runFolder = mkdtempSync(join(tmpdir(), 'webui-tune-models-'));
    const state = {
      endpoint: 'https://mirror.example',
      offline: false,
      models: [{ kind: 'embedding', name: 'a/b', here: true, reason: '' }],
      checkedAt: '2026-01-01T00:00:00Z',
      nextAttemptAt: null,
    };
    writeFileSync(join(runFolder, 'models.json'), JSON.stringify(state));
    const python = join(runFolder, 'python');
    const found = { models: [], absent: ['torch'] };
    writeFileSync(
      python,
      `#!/bin/sh\ncat > ${runFolder}/asked; echo '${JSON.stringify(found)}'; echo '[]'\n`,
      {
        mode: 0o755,
      },
    );
    const effective = new Map();
    const database = { kind: 'sqlite' } as const;
    const question = { python, env: { PATH: process.env.PATH }, cwd: '/', effective, database };
    const asked = () => JSON.parse(readFileSync(join(runFolder, 'asked'), 'utf8'));
    expect(await readModels({ ...question, runFolder })).toMatchObject({
      lookedBy: 'preload',
      endpoint: 'https://mirror.example',
      models: [{ name: 'a/b', here: true }],
      absent: ['torch'],
    });
    expect(asked()).toMatchObject({ look: [], missing: [] });
    // Cut off while it is written, it is as good as none.
    writeFileSync(join(runFolder, 'models.json'), JSON.stringify(state).slice(0, 50));
    expect(await readModels({ ...question, runFolder })).toMatchObject({ lookedBy: 'doctor' });
    expect(asked()).toMatchObject({ look: [DEFAULT_MODEL] });
    await expect(readModels({ ...question, runFolder, python: '/nowhere' })).rejects.toThrow(
      '/nowhere cannot look for models',
    );
    rmSync(runFolder, { recursive: true });
  });
});

describe('machine.memory', () => {
  const mendOf = (facts: Partly<Facts>) =>
    CHECKS.find(({ id }) => id === 'machine.memory')
      ?.run(facts as Facts)[0]
      ?.mend.join() ?? '';
  const { memory, workers } = plan;
  const figures = { preset: 'p', settings: 's', embedsLocally: true, architecture: 'x64', supervisor: 0 };
  const file = (base: number) => ({
    path: '/e.js',
    env: { WEBUI_TUNE_PLANNED: JSON.stringify({ ...figures, base, worker: memory.worker }) },
  });

  it('compares with what the file was made with, and sends for another plan where that would say what is', () => {
    const cluster = treeOf(memory.predicted);
    expect(verdictsOf('machine.memory', { cluster, plan, ecosystem: file(memory.base) })).toEqual(['ok']);
    const low = { cluster, plan, ecosystem: file(memory.base / 3) };
    expect(verdictsOf('machine.memory', low)).toEqual(['warning']);
    expect(mendOf(low)).toContain('webui-tune --out /e.js --force');
  });

  it('sends for a reload where workers have grown, and no plan would say so', () => {
    const grown = { cluster: treeOf(memory.predicted * 1.2), plan, ecosystem: file(memory.base) };
    expect(verdictsOf('machine.memory', grown)).toEqual(['warning']);
    expect(mendOf(grown)).toContain('pm2 reload');
  });

  it('tells each part of the tree', () => {
    const cluster = treeOf(memory.predicted);
    const [finding] = CHECKS.find(({ id }) => id === 'machine.memory')?.run({ cluster, plan } as Facts) ?? [];
    const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;
    const own = memory.worker - memory.supervisor;
    expect(finding?.found).toContain(`preload ${mib(memory.base)} (planned ${mib(memory.base)})`);
    expect(finding?.found).toContain(`${workers} workers ${mib(workers * own)}, the largest ${mib(own)}`);
    expect(finding?.found).toContain(`${workers} supervisors ${mib(workers * memory.supervisor)}`);
  });
});
