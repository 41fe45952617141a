/** Rules of checks for what differs by machine or version; all of them meet the real thing broken, end to end. */
import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../../src/base/units.ts';
import type { Facts } from '../../../src/doctor/facts.ts';
import type { ModelsFacts } from '../../../src/doctor/read/models.ts';
import type { Embedded, TrialFacts } from '../../../src/doctor/read/trials.ts';
import { memoryFor } from '../../../src/doctor/read/vector-index.ts';
import type { BackupState } from '../../../src/runtime/backups/state.ts';
import { DEFAULT_MODEL } from '../../../src/runtime/contract.ts';
import { type Partly, plan, treeOf, verdictsOf } from '../../kit/doctor-facts.ts';
import { machineOf, SERVICES } from '../../kit/inputs.ts';
import { settingsOf } from '../../kit/settings-of.ts';

const dataDir = { path: '/data', freeBytes: 10 * GIB };

const sqlite = { path: '/data/webui.db', fileSystem: 'ext4' };

const worker = (pid: number, listening: string[], connected: string[]) => ({ pid, listening, connected });

const instance = (pm_id: number, identity: string) => ({
  name: 'open-webui',
  pm_id,
  pm2_env: { axm_monitor: { Identity: { value: identity } } },
});

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

const appOf = (name: string) => ({
  name,
  pm_id: 0,
  pm2_env: { status: 'stopped', restart_time: 0, axm_monitor: {} },
});

const instances = (count: number) => Array.from({ length: count }, () => appOf('open-webui'));

const ISO = new Date().toISOString();

const backupsOf = ({ failure, last = ISO }: Partial<Pick<BackupState, 'failure'>> & { last?: string }) => ({
  state: { schedule: 'daily' as const, folder: '/b', made: [], ...(failure && { failure }) },
  last: { file: '/b/b.tar', at: last, bytes: 1, modified: 1, seconds: 1 },
});

describe.each<[string, Partly<Facts>, Partly<Facts>]>([
  ['files.unfinished', { unfinished: {} }, { unfinished: { what: 'the restore of /b.tar is half done' } }],
  [
    'files.backups',
    { isOfUp: true, backups: backupsOf({}) },
    { isOfUp: true, backups: backupsOf({ failure: { at: ISO, reason: 'no space left', busy: false } }) },
  ],
  [
    'files.backups',
    // Another command was at work: it is tried again in a moment.
    { isOfUp: true, backups: backupsOf({ failure: { at: ISO, reason: 'another', busy: true } }) },
    { isOfUp: true, backups: backupsOf({ last: '2026-01-01T03:00:00.000Z' }) },
  ],
  [
    'files.backups',
    { isOfUp: true, backups: backupsOf({}), pm2: { processes: [appOf('open-webui-backup')] } },
    { isOfUp: true, backups: backupsOf({}), pm2: { processes: [appOf('open-webui')] } },
  ],
  ['files.backups', { isOfUp: false, backups: {} }, { isOfUp: true, backups: {} }],
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
    'vectors.index',
    // As pgvector says it: 65 MB for the default of Open WebUI.
    { vectorIndex: { database: 'd', isMade: false, allowed: 65 * MIB, needed: memoryFor(1_536, 100) } },
    { vectorIndex: { database: 'd', isMade: false, allowed: 64 * MIB, needed: memoryFor(1_536, 100) } },
  ],
  [
    'vectors.index',
    { vectorIndex: { database: 'd', isMade: true, allowed: 1, needed: 2 } },
    { vectorIndex: { database: 'd', isMade: false, allowed: 1, needed: 2 } },
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
    'pm2.count',
    { pm2: { processes: instances(2) }, ecosystem: { preload: {}, workers: 4, leastWorkers: 1 } },
    { pm2: { processes: instances(5) }, ecosystem: { preload: {}, workers: 4, leastWorkers: 1 } },
  ],
  [
    'pm2.count',
    { pm2: { processes: instances(4) }, ecosystem: { preload: {}, workers: 4 } },
    { pm2: { processes: instances(2) }, ecosystem: { preload: {}, workers: 4 } },
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
