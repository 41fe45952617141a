/** Rules of checks for what differs by machine or version; all of them meet the real thing broken, end to end. */
import { describe, expect, it } from 'vitest';
import { CHECKS } from '../src/doctor/checks/index.ts';
import type { Facts } from '../src/doctor/facts.ts';
import { makePlan } from '../src/plan/index.ts';
import { GIB, MIB } from '../src/units.ts';
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
    'cluster.serves',
    { cluster: { isReady: true, workers: [], address: { host: 'h', port: 1 } } },
    { cluster: { isReady: false, workers: [], address: { host: 'h', port: 1 } } },
  ],
])('%s', (id, right, wrong) => {
  it('is well', () => expect(verdictsOf(id, right)).toEqual(['ok']));
  it('is not', () => expect(verdictsOf(id, wrong)).not.toContain('ok'));
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
