import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TuneError } from '../src/base/errors.ts';
import { GIB, MIB } from '../src/base/units.ts';
import type { DatabaseFacts, RedisFacts, ServiceFacts } from '../src/facts/types.ts';
import { makePlan } from '../src/plan/index.ts';
import type { PlanInput } from '../src/plan/input.ts';
import { METRICS } from '../src/plan/model.ts';
import { SETTINGS_GROUPS } from '../src/plan/settings/index.ts';
import type { Plan } from '../src/plan/types.ts';
import { loadPreset } from '../src/tune/presets.ts';
import { wishesOf } from '../src/tune/requested.ts';
import { anyInput, DOWN, inputOf, machineOf, SERVICES } from './inputs.ts';
import { settingsOf } from './settings-of.ts';

/** The plan, or undefined where the machine is too small for one. */
function planOrNothing(input: PlanInput): Plan | undefined {
  try {
    return makePlan(input);
  } catch (error) {
    if (error instanceof TuneError) return undefined;
    throw error;
  }
}

/** Documents are embedded elsewhere. */
const REMOTE = settingsOf({ RAG_EMBEDDING_ENGINE: 'openai' });

/** Workers; a machine that is too small has none. */
const workersOf = (input: PlanInput) => planOrNothing(input)?.workers ?? 0;

const settingOf = (plan: Plan, key: string) => plan.settings.find((setting) => setting.key === key);

describe('whatever the machine and the wishes', () => {
  it('never goes over the budget, not even while reloading', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOrNothing(input);
        fc.pre(plan !== undefined);
        const { budget, base, worker, growth, from, reserve, services } = plan.memory;
        const surge = plan.runtime === 'uvicorn' ? 0 : 1;
        expect(base + services + (plan.workers + surge) * (worker + growth)).toBeLessThanOrEqual(budget);
        expect(budget + reserve).toBe(from.bytes);
        expect(from.bytes).toBeLessThanOrEqual(input.machine.memory.availableBytes);
        expect(from.bytes).toBeLessThanOrEqual(input.memory?.value ?? from.bytes);
      }),
    );
  });

  it('lets every worker reach its limit within the budget, and no ordinary one hit it', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOrNothing(input);
        fc.pre(plan?.runtime === 'preload');
        const { budget, base, worker, supervisor, growth, workerLimit } = plan.memory;
        const starting = worker + growth;
        expect(base + starting + plan.workers * (workerLimit + supervisor)).toBeLessThanOrEqual(budget);
        expect(workerLimit).toBeGreaterThanOrEqual(worker - supervisor + growth);
      }),
    );
  });

  it('has at least one worker, and a bound that says why there are no more', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOrNothing(input);
        fc.pre(plan !== undefined);
        expect(plan.workers).toBeGreaterThanOrEqual(1);
        expect(plan.bounds[plan.limitedBy]).toBe(plan.workers);
      }),
    );
  });

  it('is the same plan every time, and the plan of a plan is itself', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOrNothing(input);
        fc.pre(plan !== undefined);
        expect(makePlan(input)).toEqual(plan);
        const again = makePlan({ ...input, workers: { value: plan.workers, from: 'again', source: 'flag' } });
        expect(again.workers).toBe(plan.workers);
        expect(again.memory).toEqual(plan.memory);
      }),
    );
  });

  it('has no fewer workers with more cores or more memory', () => {
    fc.assert(
      fc.property(
        anyInput,
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 64 }),
        (input, cores, gib) => {
          const { cpu, memory, ...machine } = input.machine;
          const more = gib * GIB;
          const larger = {
            ...machine,
            cpu: { ...cpu, physicalCores: cpu.physicalCores + cores },
            memory: {
              ...memory,
              totalBytes: memory.totalBytes + more,
              availableBytes: memory.availableBytes + more,
              ...(memory.limit && { limit: { ...memory.limit, bytes: memory.limit.bytes + more } }),
            },
          };
          expect(workersOf({ ...input, machine: larger })).toBeGreaterThanOrEqual(workersOf(input));
        },
      ),
    );
  });

  it('takes no longer for 256 cores than for 2', () => {
    const time = (cores: number) => {
      const input = inputOf({ machine: machineOf(cores, 512 * GIB) });
      const started = process.hrtime.bigint();
      for (let round = 0; round < 200; round++) makePlan(input);
      return Number(process.hrtime.bigint() - started);
    };
    time(2);
    expect(time(256)).toBeLessThan(10 * time(2));
  });
});

describe('workers', () => {
  it.each<[string, Partial<PlanInput>, number, Plan['limitedBy']]>([
    ['one for each core', {}, 4, 'cores'],
    // (4096 − 410 reserve − 750) ÷ (72 + 25 for the embedding model + 9 + 64) = 17, and one of them for reloads.
    ['as many as fit', { machine: machineOf(64, 4 * GIB) }, 16, 'memory'],
    // Without the model: 2936 ÷ 145 = 20.
    [
      'more where documents are embedded elsewhere',
      { machine: machineOf(64, 4 * GIB), preload: 'app', settings: REMOTE },
      19,
      'memory',
    ],
    ['no more than a wish', { workers: { value: 2, from: '--workers 2', source: 'flag' } }, 2, 'user'],
    [
      'more than cores if asked for',
      { workers: { value: 9, from: '--workers 9', source: 'flag' } },
      9,
      'user',
    ],
    [
      'never more than fit',
      { machine: machineOf(4, 4 * GIB), workers: { value: 64, from: 'w', source: 'flag' } },
      16,
      'memory',
    ],
    ['no more than the preset', { preset: loadPreset('small', '/') }, 2, 'user'],
    [
      'no more than a share of memory',
      { memory: { value: 1.5 * GIB, from: '--memory 1.5GiB', source: 'flag' } },
      2,
      'memory',
    ],
  ])('%s', (_, overrides, workers, limitedBy) => {
    expect(makePlan(inputOf(overrides))).toMatchObject({ workers, limitedBy });
  });

  it.each([
    [0.5, 1],
    [1.5, 1],
    [3, 3],
    [100, 4],
  ])('a quota of %d CPUs feeds %d', (cores, workers) => {
    const machine = machineOf(4, 16 * GIB);
    machine.cpu.quota = { cores, source: '/sys/fs/cgroup/cpu.max' };
    const plan = makePlan(inputOf({ machine }));
    expect(plan.workers).toBe(workers);
    expect(plan.recommendations[0]?.reason.includes('cpu.max')).toBe(cores < 4);
  });

  it('warns of more workers than cores', () => {
    const { warnings } = makePlan(inputOf({ workers: { value: 9, from: '--workers 9', source: 'flag' } }));
    expect(warnings).toEqual([expect.stringContaining('9 workers share 4 physical cores')]);
  });
});

describe('the database', () => {
  const database = (maxConnections: number, change: object = {}) =>
    inputOf({
      machine: machineOf(64, 64 * GIB),
      services: {
        ...SERVICES,
        database: { ...SERVICES.database, maxConnections, ...change } as DatabaseFacts,
      },
    });

  it.each([
    // (100 − 3 reserved − 7 of others − 5 spare) ÷ (2 × 4 + 2) = 8, and one of them for reloads.
    [100, {}, 7],
    [100, { otherConnections: 60 }, 2],
    [100, { connectionLimit: 45 }, 3],
    [20, {}, 1],
  ])('%d connections %j: %d workers', (most, change, workers) => {
    const plan = makePlan(database(most, change));
    expect(plan).toMatchObject({ workers, limitedBy: 'database', bounds: { database: workers } });
  });

  it('says so where even one worker may be too many', () =>
    expect(makePlan(database(20)).warnings.join()).toContain('raise max_connections'));

  it('is no bound where it is not asked, or without a number', () => {
    const services: ServiceFacts = { database: { kind: 'unknown' }, redis: { kind: 'unknown' } };
    expect(makePlan(inputOf({ services })).bounds).toMatchObject({ database: null, services: null });
    expect(makePlan(database(100, { maxConnections: undefined })).bounds.database).toBeNull();
  });

  it('counts with pools that the user has set', () => {
    const settings = settingsOf({ DATABASE_POOL_SIZE: '20', DATABASE_POOL_MAX_OVERFLOW: '5' });
    // 485 ÷ (2 × 25 + 2) = 9, and one of them for reloads.
    expect(makePlan({ ...database(500), settings }).bounds.database).toBe(8);
    const none = settingsOf({ DATABASE_POOL_SIZE: '0' });
    const plan = makePlan({ ...database(500), settings: none });
    expect(plan.bounds.database).toBeNull();
    expect(plan.warnings.join()).toContain('a new connection for each use');
  });

  /** Sizes that the user has set, or none. */
  const theirPools = fc
    .record(
      {
        DATABASE_POOL_SIZE: fc.integer({ min: 1, max: 40 }),
        PGVECTOR_POOL_SIZE: fc.integer({ min: 1, max: 40 }),
      },
      { requiredKeys: [] },
    )
    .map((sizes) => Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, `${size}`])));

  it('counts pgvector’s pool where it is on the same server', () => {
    const each = (url: string) => {
      const settings = settingsOf({
        DATABASE_URL: 'postgresql://u@db/webui',
        VECTOR_DB: 'pgvector',
        PGVECTOR_DB_URL: url,
      });
      const { recommendations } = makePlan({ ...database(100), settings });
      return /÷ (\d+) connections a worker/.exec(
        recommendations.find(({ key }) => key === 'bounds.database')?.reason ?? '',
      )?.[1];
    };
    expect(each('postgresql://v@db:5432/vectors')).toBe('10');
    expect(each('postgresql://v@elsewhere/vectors')).toBe('8');
  });

  it('never hands out more connections than there are, for any plan', () => {
    fc.assert(
      fc.property(
        anyInput,
        fc.integer({ min: 30, max: 1000 }),
        theirPools,
        (input, maxConnections, pools) => {
          const settings = new Map([...input.settings, ...settingsOf(pools)]);
          const services: ServiceFacts = {
            ...SERVICES,
            database: { ...SERVICES.database, maxConnections } as DatabaseFacts,
          };
          const plan = planOrNothing({ ...input, settings, services });
          fc.pre(plan !== undefined);
          const number = (key: string) => Number(settingOf(plan, key)?.value ?? 0);
          const engine = number('DATABASE_POOL_SIZE') + number('DATABASE_POOL_MAX_OVERFLOW');
          const needed = (plan.workers + 1) * (2 * engine + number('PGVECTOR_POOL_SIZE'));
          fc.pre(plan.bounds.database !== null && plan.bounds.database > 1);
          expect(needed).toBeLessThanOrEqual(maxConnections - 3 - 7);
        },
      ),
    );
  });
});

describe('services on the same machine', () => {
  const colocated = (bytes: number, cpuShare = 0.08) => [
    { name: 'PostgreSQL' as const, where: '127.0.0.1:5432', bytes, reason: 'r', cpuShare },
  ];

  it('take memory and cores', () => {
    const machine = machineOf(64, 4 * GIB);
    const services = { ...SERVICES, colocated: colocated(GIB) };
    const plan = makePlan(inputOf({ machine, services }));
    expect(plan.memory.services).toBe(GIB);
    expect(plan.bounds.cores).toBe(59);
    expect(plan.workers).toBeLessThan(makePlan(inputOf({ machine })).workers);
    expect(plan.recommendations.find(({ key }) => key === 'memory.services')?.reason).toContain(
      '8 % of the cores',
    );
  });

  it.each([
    [1, 1],
    [2, 2],
    [4, 4],
    [8, 7],
  ])('%d cores beside PostgreSQL and Redis feed %d workers', (cores, workers) => {
    const machine = machineOf(cores, 64 * GIB);
    expect(makePlan(inputOf({ machine, services: { ...SERVICES, colocated: colocated(0) } })).workers).toBe(
      workers,
    );
  });

  it('leave one worker, and a warning', () => {
    const plan = makePlan(inputOf({ services: { ...SERVICES, colocated: colocated(100 * GIB) } }));
    expect(plan.workers).toBe(1);
    expect(plan.warnings.join()).toContain('more than is left beside one worker');
  });
});

describe('metrics', () => {
  it('take the memory of a process of Node', () => {
    const [without, plan] = [makePlan(inputOf()), makePlan(inputOf({ metricsPort: 9464 }))];
    expect(plan.metricsPort).toBe(9464);
    expect(plan.memory.services - without.memory.services).toBe(METRICS);
    expect(plan.recommendations).toContainEqual(
      expect.objectContaining({ key: 'metrics', value: 'http://127.0.0.1:9464/metrics' }),
    );
    expect(without).not.toHaveProperty('metricsPort');
  });

  it('cannot have the port of the workers, and need Linux', () => {
    const machine = machineOf(4, GIB);
    expect(() => wishesOf({ metrics: 8080 }, machine, undefined)).toThrow('the workers listen on that port');
    expect(() => wishesOf({ metrics: 9464 }, { ...machine, platform: 'darwin' }, undefined)).toThrow('/proc');
    expect(wishesOf({ metrics: 'off' }, machine, undefined)).not.toHaveProperty('metricsPort');
  });
});

describe('limits of the kernel and of Redis', () => {
  it.each([
    [
      { machine: { ...machineOf(4, 16 * GIB), openFiles: { value: 1024, source: 'limits' } } },
      'LimitNOFILE=65536',
    ],
    [
      { machine: { ...machineOf(4, 16 * GIB), somaxconn: { value: 128, source: 's' } } },
      'net.core.somaxconn=4096',
    ],
    [
      { services: { ...SERVICES, redis: { ...SERVICES.redis, maxClients: 100 } as RedisFacts } },
      'maxclients',
    ],
  ])('warns of %j', (overrides, text) =>
    expect(makePlan(inputOf(overrides)).warnings.join()).toContain(text),
  );

  it('takes no more workers than Redis has connections for', () => {
    const redis = { ...SERVICES.redis, maxClients: 200 } as RedisFacts;
    expect(makePlan(inputOf({ services: { ...SERVICES, redis } }))).toMatchObject({
      workers: 2,
      limitedBy: 'services',
    });
  });
});

describe('one worker only', () => {
  const without = (change: Partial<ServiceFacts>) => ({ services: { ...SERVICES, ...change } });

  it.each<[string, Partial<PlanInput>, string, string]>([
    ['SQLite', without({ database: { kind: 'sqlite' } }), 'PostgreSQL', 'DATABASE_URL='],
    ['another database', without({ database: { kind: 'other', scheme: 'mysql' } }), 'mysql', 'DATABASE_URL='],
    ['no Redis', without({ redis: { kind: 'none' } }), 'Redis', 'REDIS_URL='],
    [
      'a Redis that nobody set',
      without({ redis: { kind: 'none', found: 'redis://x' } }),
      'answers at redis://x',
      'REDIS_URL=redis://x',
    ],
    [
      'Redis down',
      without({ redis: { kind: 'redis', where: 'r:6379', answer: DOWN } }),
      'ECONNREFUSED',
      'run webui-tune again',
    ],
    [
      'PostgreSQL down',
      without({ database: { kind: 'postgresql', where: 'd/n', answer: DOWN } }),
      'ECONNREFUSED',
      'run webui-tune again',
    ],
    ['local Chroma', { settings: settingsOf({ VECTOR_DB: 'chroma' }) }, 'vector store', 'CHROMA_HTTP_HOST='],
    [
      'documents in local Chroma',
      { hasLocalVectors: true },
      'documents are in the local Chroma folder',
      'CHROMA_HTTP_HOST=',
    ],
    ['Milvus in a file', { settings: settingsOf({ VECTOR_DB: 'milvus' }) }, 'milvus', 'MILVUS_URI='],
    ['another manager', { settings: settingsOf({ WEBSOCKET_MANAGER: '' }) }, 'WEBSOCKET_MANAGER', 'redis'],
    [
      'no WebSockets',
      { settings: settingsOf({ ENABLE_WEBSOCKET_SUPPORT: 'false' }) },
      'ENABLE_WEBSOCKET_SUPPORT',
      'True',
    ],
  ])('with %s, and says what is missing and what to set', (_, overrides, problem, mend) => {
    const plan = makePlan(inputOf(overrides));
    expect(plan).toMatchObject({ workers: 1, limitedBy: 'services', bounds: { services: 1, cores: 4 } });
    const warning = plan.warnings.find((text) => text.includes(problem));
    expect(warning).toContain(mend);
    expect(warning).toContain('one worker');
  });

  it('names all that is missing', () => {
    const services: ServiceFacts = { database: { kind: 'sqlite' }, redis: { kind: 'none' } };
    const { warnings } = makePlan(inputOf({ services }));
    expect(warnings).toHaveLength(3);
  });

  it('is nothing to warn of where one is all there would be', () => {
    const services: ServiceFacts = { database: { kind: 'sqlite' }, redis: { kind: 'none' } };
    expect(makePlan(inputOf({ services, machine: machineOf(1, 4 * GIB) })).warnings).toEqual([]);
    expect(
      makePlan(inputOf({ services, workers: { value: 1, from: 'w', source: 'flag' } })).warnings,
    ).toEqual([]);
  });

  it.each<[string, Partial<PlanInput>]>([
    ['a Chroma server', { settings: settingsOf({ CHROMA_HTTP_HOST: '127.0.0.1' }), hasLocalVectors: true }],
    ['pgvector', { settings: settingsOf({ VECTOR_DB: 'pgvector' }) }],
    ['Qdrant', { settings: settingsOf({ VECTOR_DB: 'qdrant' }) }],
    ['a Milvus server', { settings: settingsOf({ VECTOR_DB: 'milvus', MILVUS_URI: 'http://m:19530' }) }],
  ])('is not so with %s', (_, overrides) => expect(makePlan(inputOf(overrides)).workers).toBe(4));
});

describe('pgvector', () => {
  const database = (vector: 'installed' | 'creatable' | 'superuser-only' | 'missing') =>
    inputOf({
      services: {
        ...SERVICES,
        database: { kind: 'postgresql', where: 'd/n', answer: { up: true, version: '15' }, vector },
      },
    });

  it.each(['installed', 'creatable'] as const)('is chosen where it is %s', (vector) => {
    const plan = makePlan(database(vector));
    expect(settingOf(plan, 'VECTOR_DB')).toMatchObject({
      value: 'pgvector',
      source: 'computed',
      rendered: true,
    });
    expect(plan.workers).toBe(4);
  });

  it.each([
    ['superuser-only', 'CREATE EXTENSION vector'],
    ['missing', 'install the pgvector extension'],
  ] as const)('is not where it is %s', (vector, mend) => {
    const plan = makePlan(database(vector));
    expect(settingOf(plan, 'VECTOR_DB')).toBeUndefined();
    expect(plan.warnings.join()).toContain(mend);
  });

  it('is not where the Python package is missing, or documents would be lost from sight', () => {
    const drivers = { psycopg2: true, pgvector: false };
    const bare = makePlan(inputOf({ openWebui: { version: '0.12.4', python: '3.11.7', drivers } }));
    expect(settingOf(bare, 'VECTOR_DB')).toBeUndefined();
    expect(bare.warnings.join()).toContain("pip install 'open-webui[postgres]'");
    expect(settingOf(makePlan(inputOf({ hasLocalVectors: true })), 'VECTOR_DB')).toBeUndefined();
  });
});

describe('memory', () => {
  it('says how much is missing for one worker, and what would help', () => {
    const small = () => makePlan(inputOf({ machine: machineOf(2, 900 * MIB) }));
    // 750 + 2 × (106 + 64) = 1090, of which 900 − 128 are there.
    expect(small).toThrow('318 MiB are missing');
    expect(small).toThrow(
      expect.objectContaining({
        exitCode: 5,
        mend: expect.arrayContaining([expect.stringContaining('RAG_EMBEDDING_ENGINE')]),
      }),
    );
  });

  it('fits two workers into a VPS with 1 GiB by the preset small', () => {
    const machine = machineOf(2, 1024 * MIB);
    // What a fresh Debian leaves.
    machine.memory.availableBytes = 850 * MIB;
    const plan = makePlan(
      inputOf({
        machine,
        preset: loadPreset('small', '/'),
        settings: settingsOf(loadPreset('small', '/').settings, 'preset'),
      }),
    );
    expect(plan.workers).toBe(2);
    expect(plan.memory).toMatchObject({ level: 'lean', predicted: (345 + 2 * 72) * MIB });
  });

  it('counts on what the running cluster holds', () => {
    const machine = machineOf(4, 4 * GIB);
    const fresh = makePlan(inputOf({ machine }));
    machine.memory = { ...machine.memory, availableBytes: 1500 * MIB, ownBytes: 4 * GIB - 1500 * MIB };
    expect(makePlan(inputOf({ machine })).workers).toBe(fresh.workers);
  });

  it.each([
    ['app', 'full'],
    ['lean', 'lean'],
    ['libraries', 'libraries'],
    ['none', 'none'],
    ['auto', 'full'],
  ] as const)('--preload %s is planned for as %s', (preload, level) =>
    expect(makePlan(inputOf({ preload })).memory.level).toBe(level),
  );

  it('warns of a lean preload where workers embed themselves', () => {
    const warnings = (engine: string) =>
      makePlan(inputOf({ preload: 'lean', settings: settingsOf({ RAG_EMBEDDING_ENGINE: engine }) })).warnings;
    expect(warnings('').join()).toContain('loads torch and the model for itself');
    expect(warnings('openai')).toEqual([]);
  });

  it('counts no local model where Open WebUI is the slim one', () => {
    const settings = settingsOf({ USE_SLIM_DOCKER: 'True' });
    expect(makePlan(inputOf({ settings })).memory.level).toBe('lean');
  });

  it.each(['auto', 'app', 'lean'] as const)('--preload %s is less where Chroma is local', (preload) => {
    const settings = settingsOf({ VECTOR_DB: 'chroma', RAG_EMBEDDING_ENGINE: 'openai' });
    expect(makePlan(inputOf({ preload, settings })).memory.level).toBe('libraries');
  });

  it('leaves a worker the room without which its limit is not enforced', () => {
    const machine = machineOf(1, 2 * GIB);
    for (const preload of ['lean', 'libraries', 'none'] as const) {
      const { worker, supervisor, workerLimit } = makePlan(
        inputOf({ machine, preload, preset: loadPreset('small', '/'), settings: REMOTE }),
      ).memory;
      expect(workerLimit).toBeGreaterThanOrEqual(1.25 * (worker - supervisor));
    }
  });
});

describe('--runtime uvicorn', () => {
  it.each([
    // 188 for one worker, which is the server itself; the parent's 620 more for several.
    [1, (188 + 620) * MIB],
    [2, (808 + 2 * 620) * MIB],
    [4, (808 + 4 * 620) * MIB],
  ])('%d workers: sized at their full memory and their parent’s', (workers, predicted) => {
    const plan = makePlan(
      inputOf({
        runtime: 'uvicorn',
        workers: { value: workers, from: 'w', source: 'flag' },
        settings: REMOTE,
      }),
    );
    expect(plan).toMatchObject({ runtime: 'uvicorn', workers, memory: { level: 'uvicorn', predicted } });
  });

  it('is within 15 % of what four workers were measured at', () => {
    const { predicted } = makePlan(inputOf({ runtime: 'uvicorn', settings: REMOTE })).memory;
    expect(Math.abs(predicted / (3202 * MIB) - 1)).toBeLessThan(0.15);
  });

  it('says what it cannot do', () => {
    expect(makePlan(inputOf({ runtime: 'uvicorn' })).warnings.join()).toContain('reload without an outage');
    expect(makePlan(inputOf()).warnings).toEqual([]);
  });

  it.each(['darwin', 'win32'])('is the default on %s', (platform) =>
    expect(makePlan(inputOf({ machine: { ...machineOf(4, 16 * GIB), platform } })).runtime).toBe('uvicorn'),
  );
});

describe('the address', () => {
  const reason = (host: string) =>
    makePlan(inputOf({ host: { value: host, from: '--host', source: 'flag' } })).recommendations.find(
      ({ key }) => key === 'address',
    )?.reason;

  it.each(['127.0.0.1', 'localhost', '::1', '[::1]'])('%s: says how to serve other machines', (host) =>
    expect(reason(host)).toContain('a reverse proxy in front, or --host 0.0.0.0'),
  );

  it.each(['0.0.0.0', '::', '10.0.0.5', 'localhost.example.org'])('%s: serves them', (host) =>
    expect(reason(host)).not.toContain('proxy'),
  );
});

describe('settings', () => {
  it('sets what makes several workers one', () => {
    const plan = makePlan(inputOf());
    for (const [key, value] of Object.entries({
      WEBSOCKET_MANAGER: 'redis',
      ENABLE_WEBSOCKET_SUPPORT: 'True',
      REDIS_SOCKET_CONNECT_TIMEOUT: '5',
      REDIS_SOCKET_TIMEOUT: '5',
      REDIS_HEALTH_CHECK_INTERVAL: '60',
      REDIS_SOCKET_KEEPALIVE: 'True',
    })) {
      expect(settingOf(plan, key)).toMatchObject({ value, source: 'computed', rendered: true });
    }
  });

  it.each(['environment', 'env file', 'secrets file', 'preset'] as const)(
    'overrides nothing from the %s',
    (source) => {
      const plan = makePlan(
        inputOf({ settings: settingsOf({ REDIS_SOCKET_TIMEOUT: '30', VECTOR_DB: 'qdrant' }, source) }),
      );
      expect(settingOf(plan, 'REDIS_SOCKET_TIMEOUT')).toMatchObject({ value: '30', source });
      expect(settingOf(plan, 'VECTOR_DB')).toMatchObject({ value: 'qdrant', source });
    },
  );

  it('sizes the pools to what the database has', () => {
    const plan = makePlan(inputOf());
    // 485 connections for 5 workers: 97 each, of which 8 for vectors; an engine never needs more than 20.
    expect(settingOf(plan, 'DATABASE_POOL_SIZE')?.value).toBe('15');
    expect(settingOf(plan, 'DATABASE_POOL_MAX_OVERFLOW')?.value).toBe('5');
    expect(settingOf(plan, 'PGVECTOR_POOL_SIZE')?.value).toBe('8');
    const theirs = makePlan(inputOf({ settings: settingsOf({ DATABASE_POOL_SIZE: '9' }) }));
    expect(settingOf(theirs, 'DATABASE_POOL_SIZE')).toMatchObject({ value: '9', source: 'environment' });
    expect(settingOf(theirs, 'DATABASE_POOL_MAX_OVERFLOW')).toBeUndefined();
  });

  it.each(['127.0.0.1', '0.0.0.0'])('on %s, compression stays as Open WebUI has it', (host) => {
    const plan = makePlan(inputOf({ host: { value: host, from: 'h', source: 'flag' } }));
    expect(settingOf(plan, 'ENABLE_COMPRESSION_MIDDLEWARE')).toBeUndefined();
    expect(plan.recommendations.find(({ key }) => key === 'compression')).toMatchObject({
      value: 'app',
      reason: expect.stringContaining('compression: proxy'),
    });
  });

  it('leaves compression to a proxy where a preset says that it compresses', () => {
    const preset = { ...loadPreset('default', '/'), compression: 'proxy' as const };
    const plan = makePlan(inputOf({ preset }));
    expect(settingOf(plan, 'ENABLE_COMPRESSION_MIDDLEWARE')?.value).toBe('False');
    const theirs = makePlan(
      inputOf({ preset, settings: settingsOf({ ENABLE_COMPRESSION_MIDDLEWARE: 'True' }) }),
    );
    expect(settingOf(theirs, 'ENABLE_COMPRESSION_MIDDLEWARE')?.value).toBe('True');
    expect(theirs.recommendations.find(({ key }) => key === 'compression')).toMatchObject({ value: 'app' });
  });

  it('sets no more than its groups say, each key in one of them', () => {
    const keys = SETTINGS_GROUPS.flatMap((group) => group.keys);
    expect(new Set(keys).size).toBe(keys.length);
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOrNothing(input);
        fc.pre(plan !== undefined);
        const computed = plan.settings.filter(({ source }) => source === 'computed').map(({ key }) => key);
        expect([...keys, 'DATA_DIR', 'PYTHONUNBUFFERED']).toEqual(expect.arrayContaining(computed));
        expect(plan.settings.every(({ reason }) => reason !== '')).toBe(true);
      }),
    );
  });

  describe('in Open WebUI’s database', () => {
    const stored = (value: string, settings: Record<string, string>) =>
      makePlan(
        inputOf({
          settings: settingsOf(settings, 'env file'),
          services: {
            ...SERVICES,
            database: { ...SERVICES.database, stored: { 'rag.embedding_engine': value } } as DatabaseFacts,
          },
        }),
      );

    it('win over the environment, and the report says so', () => {
      const plan = stored('', { RAG_EMBEDDING_ENGINE: 'openai' });
      expect(plan.warnings.join()).toContain('RAG_EMBEDDING_ENGINE (env file) has no effect');
      expect(plan.memory.level).toBe('full');
    });

    it('are read in SQLite as well', () => {
      const database: DatabaseFacts = { kind: 'sqlite', stored: { 'rag.embedding_engine': '' } };
      const plan = makePlan(
        inputOf({
          settings: settingsOf({ RAG_EMBEDDING_ENGINE: 'openai', CHROMA_HTTP_HOST: 'chroma' }, 'env file'),
          services: { ...SERVICES, database },
        }),
      );
      expect(plan.warnings.join()).toContain('RAG_EMBEDDING_ENGINE (env file) has no effect');
      expect(plan.memory.level).toBe('full');
    });

    it('are nothing to warn of where they agree, or do not count', () => {
      expect(stored('openai', { RAG_EMBEDDING_ENGINE: 'openai' }).warnings).toEqual([]);
      expect(stored('openai', {}).memory.level).toBe('lean');
      const off = stored('', { RAG_EMBEDDING_ENGINE: 'openai', ENABLE_PERSISTENT_CONFIG: 'false' });
      expect(off.warnings).toEqual([]);
      expect(off.memory.level).toBe('lean');
    });
  });

  it('renders only what no file brings', () => {
    const rendered = (source: 'environment' | 'env file' | 'secrets file' | 'preset') =>
      settingOf(makePlan(inputOf({ settings: settingsOf({ WEBUI_NAME: 'x' }, source) })), 'WEBUI_NAME')
        ?.rendered;
    expect(
      ['environment', 'env file', 'secrets file', 'preset'].map((source) => rendered(source as 'preset')),
    ).toEqual([true, false, false, true]);
  });

  it('has no value of a secret', () => {
    const settings = new Map([
      ['OPENAI_API_KEY', { value: 'hunter2', source: 'environment' as const, secret: true }],
    ]);
    const plan = makePlan(inputOf({ settings }));
    expect(settingOf(plan, 'OPENAI_API_KEY')).toMatchObject({ secret: true, rendered: false });
    expect(JSON.stringify(plan)).not.toContain('hunter2');
  });

  it('always says where the data is, unless the env file does', () => {
    const plan = (source: 'environment' | 'env file' | 'computed', value: string) =>
      settingOf(
        makePlan(
          inputOf({
            dataDir: { source, reason: 'r' },
            settings: settingsOf({ DATA_DIR: value }, 'env file'),
          }),
        ),
        'DATA_DIR',
      );
    expect(plan('computed', '')).toMatchObject({ value: '/data', rendered: true });
    expect(plan('env file', '/data')).toMatchObject({ value: '/data', rendered: false });
    // Relative in the env file: only the absolute form means the same at every start.
    expect(plan('env file', 'data')).toMatchObject({ value: '/data', rendered: true });
  });
});
