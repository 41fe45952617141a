import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { createColors } from 'picocolors';
import { describe, expect, it } from 'vitest';
import { startProgress } from '../src/base/io/progress.ts';
import { Scope } from '../src/base/io/scope.ts';
import { GIB, MIB } from '../src/base/units.ts';
import { workersToMeasure } from '../src/bench/measure/index.ts';
import { renderMeasurement } from '../src/bench/measure/table.ts';
import { makeScratchFolder } from '../src/bench/scratch/folder.ts';
import { type Lookup, scratchSettings, substitutesFor, wantedFor } from '../src/bench/scratch/settings.ts';
import { makePlan } from '../src/plan/index.ts';
import { type Conditions, chooseMeasurement } from '../src/plan/measurement.ts';
import { PlanSchema } from '../src/plan/schema.ts';
import type { Plan } from '../src/plan/types.ts';
import { explanationOf } from '../src/render/explain.ts';
import { reportOf } from '../src/render/report.ts';
import { settingsDigest } from '../src/tune/measurements/conditions.ts';
import {
  type KeptMeasurement,
  keepMeasurement,
  MeasurementSchema,
  measurementsFolder,
  readMeasurements,
} from '../src/tune/measurements/kept.ts';
import { anyInput, inputOf, machineOf, measuredFor, SERVICES } from './inputs.ts';
import { settingsOf } from './settings-of.ts';
import { temporaryFolder } from './temporary.ts';

const CONDITIONS: Conditions = {
  openWebui: '0.12.4',
  python: '3.11.7',
  architecture: 'x64',
  preset: 'default',
  level: 'lean',
  embedsLocally: false,
  settings: 'digest',
};

const MEASUREMENT: KeptMeasurement = {
  conditions: CONDITIONS,
  at: '2026-03-01T12:00:00.000Z',
  seconds: 80,
  workers: 2,
  base: 400 * MIB,
  worker: 90 * MIB,
  workerIdle: 40 * MIB,
  supervisor: 8 * MIB,
  tree: 600 * MIB,
  firstBootSeconds: 20,
  bootSeconds: 12,
  forkMs: 250,
  cpuMs: 12.5,
  connections: 4.5,
  notes: [],
};

const REMOTE = settingsOf({ RAG_EMBEDDING_ENGINE: 'openai' });

const planWith = (kept: KeptMeasurement[], overrides: Parameters<typeof inputOf>[0] = {}) =>
  makePlan(inputOf({ settings: REMOTE, measured: { kept, settings: 'digest' }, ...overrides }));

const reportText = (plan: Plan) =>
  reportOf(plan, [])
    .map(({ cells }) => cells.join(' '))
    .join('\n');

describe('a kept measurement', () => {
  it('is read as it was written, in a file of its conditions', () => {
    const folder = join(temporaryFolder(), 'measurements');
    const path = keepMeasurement(folder, MEASUREMENT);
    expect(path).toMatch(/\/0\.12\.4-python3\.11\.7-[0-9a-f]{8}\.json$/);
    expect(readMeasurements(folder)).toEqual({ kept: [MEASUREMENT], problems: [] });
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('takes the place of the former one of the same conditions, and of no other', () => {
    const folder = join(temporaryFolder(), 'measurements');
    keepMeasurement(folder, MEASUREMENT);
    keepMeasurement(folder, { ...MEASUREMENT, base: 500 * MIB });
    for (const change of [
      { openWebui: '0.12.5' },
      { python: '3.12.1' },
      { preset: 'small' },
      { level: 'full' as const },
      { embedsLocally: true },
      { settings: 'other' },
    ]) {
      keepMeasurement(folder, { ...MEASUREMENT, conditions: { ...CONDITIONS, ...change } });
    }
    const { kept } = readMeasurements(folder);
    expect(kept).toHaveLength(7);
    expect(kept.filter(({ base }) => base === 500 * MIB)).toHaveLength(1);
  });

  it.each([
    ['no JSON', '{'],
    ['something else', '{"workers": 2}'],
    ['a memory of nothing', JSON.stringify({ ...MEASUREMENT, worker: 0 })],
    ['a memory of no number', JSON.stringify({ ...MEASUREMENT, base: null })],
    [
      'a level that there is not',
      JSON.stringify({ ...MEASUREMENT, conditions: { ...CONDITIONS, level: 'x' } }),
    ],
  ])('that is %s is named, ignored and left alone', (_, text) => {
    const folder = temporaryFolder({ 'broken.json': text });
    keepMeasurement(folder, MEASUREMENT);
    const { kept, problems } = readMeasurements(folder);
    expect(kept).toEqual([MEASUREMENT]);
    expect(problems).toEqual([
      `${folder}/broken.json is not used: it is not what webui-tune measure writes; webui-tune measure makes a new one`,
    ]);
    expect(readFileSync(join(folder, 'broken.json'), 'utf8')).toBe(text);
  });

  it('that is a folder is named too, and other files are not looked at', () => {
    const folder = temporaryFolder({ lock: '1', '.hidden.json': '{', 'notes.txt': '' });
    mkdirSync(join(folder, 'folder.json'));
    expect(readMeasurements(folder)).toEqual({
      kept: [],
      problems: [`${folder}/folder.json is not used: EISDIR; webui-tune measure makes a new one`],
    });
  });

  it('is nowhere where nothing was measured', () => {
    expect(readMeasurements('/nonexistent/measurements')).toEqual({ kept: [], problems: [] });
    expect(measurementsFolder({}, '/home/u')).toBe('/home/u/.local/share/webui-tune/measurements');
  });

  it('is written whole or not at all', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'measurements'), '');
    expect(() => keepMeasurement(join(folder, 'measurements'), MEASUREMENT)).toThrow(
      /cannot be kept in .*EEXIST/,
    );
  });
});

describe('the choice of a measurement', () => {
  it('is the newest of those that hold', () => {
    const newer = { ...MEASUREMENT, at: '2026-04-01T12:00:00.000Z' };
    expect(chooseMeasurement([MEASUREMENT, newer], CONDITIONS)).toEqual({ measurement: newer });
    expect(chooseMeasurement([newer, MEASUREMENT], CONDITIONS)).toEqual({ measurement: newer });
    expect(chooseMeasurement([], CONDITIONS)).toEqual({});
  });

  it.each([
    [{ openWebui: '0.13.0' }, 'Open WebUI 0.12.4, not 0.13.0'],
    [{ python: '3.12.1' }, 'Python 3.11.7, not 3.12.1'],
    [{ architecture: 'arm64' }, 'the architecture x64, not arm64'],
    [{ preset: 'small' }, 'the preset default, not small'],
    [{ level: 'full' as const, embedsLocally: true }, 'the preload level lean, not full, remote embeddings'],
    [{ settings: 'other' }, 'other settings'],
  ])('%j: none, and why', (change, words) => {
    expect(chooseMeasurement([MEASUREMENT], { ...CONDITIONS, ...change })).toEqual({
      notice:
        `the measurement of 2026-03-01 is not used, because it was made with ${words}; the built-in figures are. ` +
        'Measure again: webui-tune measure',
    });
  });

  it('names what is nearest', () => {
    const far = { ...MEASUREMENT, conditions: { ...CONDITIONS, openWebui: '0.11.0', python: '3.10.1' } };
    const near = { ...MEASUREMENT, conditions: { ...CONDITIONS, python: '3.12.0' } };
    expect(chooseMeasurement([far, near], CONDITIONS).notice).toContain('Python 3.12.0, not 3.11.7;');
  });
});

describe('a plan with a measurement', () => {
  it('computes with it, and says so in the report, in --explain and in --json', () => {
    const plan = planWith([MEASUREMENT]);
    expect(plan.memory).toMatchObject({
      base: 400 * MIB,
      worker: 98 * MIB,
      supervisor: 8 * MIB,
      predicted: (400 + plan.workers * 98) * MIB,
      source: 'measured on this machine on 2026-03-01',
      measuredAt: MEASUREMENT.at,
    });
    expect(reportText(plan)).toContain(
      `400 MiB for the lean preload + ${plan.workers} × 98 MiB, measured on this machine on 2026-03-01`,
    );
    for (const key of ['preload', 'memory.base', 'memory.worker', 'memory.predicted']) {
      expect(explanationOf(plan, key)?.reason).toMatch(/[;,] measured on this machine on 2026-03-01$/);
    }
    expect(PlanSchema.parse(JSON.parse(JSON.stringify(plan))).memory.measuredAt).toBe(MEASUREMENT.at);
    expect(plan.warnings).toEqual([]);
  });

  it('falls back to the built-in figures for another version, with one line that names the command', () => {
    const openWebui = { version: '0.13.0', python: '3.11.7', drivers: { psycopg2: true, pgvector: true } };
    const plan = planWith([MEASUREMENT], { openWebui });
    const { memory, warnings } = planWith([], { openWebui });
    expect(plan.memory).toEqual(memory);
    expect(plan.memory.measuredAt).toBeUndefined();
    expect(plan.warnings).toHaveLength(warnings.length + 1);
    expect(plan.warnings.at(-1)).toMatch(/0\.12\.4, not 0\.13\.0;.*: webui-tune measure$/);
    expect(reportText(plan)).not.toContain('on this machine on');
  });

  it('of uvicorn’s own workers has no use for it, and says nothing of it', () => {
    const plan = planWith([MEASUREMENT], { runtime: 'uvicorn' });
    expect(plan.memory).toEqual(planWith([], { runtime: 'uvicorn' }).memory);
    expect(plan.warnings.join()).not.toContain('measure');
  });

  it('has no more workers where more is measured, and none fewer with more memory', () => {
    const figures = fc.record({
      base: fc.integer({ min: MIB, max: 4 * GIB }),
      worker: fc.integer({ min: MIB, max: 4 * GIB }),
      supervisor: fc.integer({ min: MIB, max: 64 * MIB }),
    });
    const workers = (bytes: number, measured: { base: number; worker: number; supervisor: number }) => {
      const input = inputOf({ settings: REMOTE, machine: machineOf(64, bytes) });
      try {
        return makePlan({ ...input, measured: measuredFor(input, measured) }).workers;
      } catch {
        return 0; // not even one
      }
    };
    const size = fc.integer({ min: 512 * MIB, max: 64 * GIB });
    fc.assert(
      fc.property(size, size, figures, fc.integer({ min: 0, max: GIB }), (a, b, measured, more) => {
        const [less, most] = [Math.min(a, b), Math.max(a, b)];
        expect(workers(less, measured)).toBeLessThanOrEqual(workers(most, measured));
        expect(workers(less, { ...measured, worker: measured.worker + more })).toBeLessThanOrEqual(
          workers(less, measured),
        );
        expect(workers(less, { ...measured, base: measured.base + more })).toBeLessThanOrEqual(
          workers(less, measured),
        );
      }),
    );
  });

  it('is among the plans of which all else is true', () => {
    const samples = fc.sample(anyInput, 200);
    expect(samples.some(({ measured }) => measured)).toBe(true);
    const used = samples.flatMap((input) => {
      try {
        return makePlan(input).memory.measuredAt ?? [];
      } catch {
        return [];
      }
    });
    expect(used.length).toBeGreaterThan(0);
  });
});

describe('the digest of settings', () => {
  const digest = (values: Record<string, string>) => settingsDigest(settingsOf(values), SERVICES);

  it('is another one where workers may load something else', () => {
    const others = [
      {},
      { ENABLE_RAG_HYBRID_SEARCH: 'true' },
      { RAG_EMBEDDING_ENGINE: 'openai' },
      { CHROMA_HTTP_HOST: 'chroma' },
      { DATABASE_POOL_SIZE: '7' },
    ].map(digest);
    expect(new Set(others).size).toBe(others.length);
    const sqlite = settingsDigest(settingsOf({}), { ...SERVICES, database: { kind: 'sqlite' } });
    expect(sqlite).not.toBe(digest({}));
  });

  it('is the same whatever the addresses, the secrets and the order', () => {
    const first = digest({ ENABLE_ORJSON: 'true', WEBUI_NAME: 'a', RAG_TOP_K: '3' });
    expect(digest({ RAG_TOP_K: '3', WEBUI_NAME: 'b', ENABLE_ORJSON: 'true' })).toBe(first);
    const secret = new Map([
      ...settingsOf({ ENABLE_ORJSON: 'true', RAG_TOP_K: '3', DATABASE_URL: 'x', REDIS_URL: 'y', PORT: '1' }),
      ['SOME_API_KEY', { value: 'sk-1', source: 'env file' as const, secret: true }],
    ]);
    expect(settingsDigest(secret, SERVICES)).toBe(first);
  });

  it('counts what the database says over the environment', () => {
    const stored = { 'rag.embedding_engine': 'openai' };
    const database = { ...SERVICES.database, stored } as typeof SERVICES.database;
    expect(settingsDigest(settingsOf({}), { ...SERVICES, database })).toBe(
      digest({ RAG_EMBEDDING_ENGINE: 'openai' }),
    );
  });
});

describe('the settings that are measured with', () => {
  const upstream = { url: 'http://127.0.0.1:1/v1', pace: { tokens: 1, pauseMs: 0 }, requests: new Map() };
  const theirs: Record<string, string> = {
    DATABASE_URL: 'postgresql://theirs@db.example/webui',
    DATABASE_TYPE: 'postgresql',
    DATABASE_HOST: 'db.example',
    REDIS_URL: 'redis://redis.example/0',
    WEBSOCKET_REDIS_URL: 'redis://redis.example/1',
    REDIS_SENTINEL_HOSTS: 'sentinel.example',
    VECTOR_DB: 'qdrant',
    QDRANT_URI: 'http://qdrant.example',
    OPENAI_API_BASE_URLS: 'https://api.example;https://b.example',
    RAG_OPENAI_API_BASE_URL: 'https://embed.example',
    WEBHOOK_URL: 'https://hook.example',
    TOOL_SERVER_CONNECTIONS: '[{"url":"https://tool.example"}]',
    OPENID_PROVIDER_URL: 'https://id.example',
    STORAGE_PROVIDER: 's3',
    STATIC_DIR: '/theirs/static',
    DATA_DIR: '/theirs',
    WEBUI_AUTH_TRUSTED_EMAIL_HEADER: 'X-Email',
    CONTENT_EXTRACTION_ENGINE: 'external',
    ENABLE_OTEL: 'true',
  };
  const get: Lookup = (name) => theirs[name];
  const settings = scratchSettings({
    get,
    services: {
      upstream,
      databaseUrl: 'postgresql://tester:x@127.0.0.1:2/postgres',
      redisUrl: 'redis://127.0.0.1:3/0',
      chromaPort: 4,
    },
    database: 'postgresql',
    dataDir: '/scratch/data',
    usersDataDir: '/theirs',
    embedsLocally: false,
    password: 'p',
  });

  it('reach none of the user’s servers, and write nowhere of the user’s', () => {
    const merged = { ...theirs, ...settings };
    const leaks = Object.entries(merged).filter(([, value]) =>
      /example|^\/theirs$|\/theirs\/static/.test(value),
    );
    // Nobody asks Qdrant once VECTOR_DB is another.
    expect(leaks.map(([name]) => name)).toEqual(['QDRANT_URI']);
    expect(merged).toMatchObject({
      VECTOR_DB: 'chroma',
      CHROMA_HTTP_PORT: '4',
      STORAGE_PROVIDER: 'local',
      ENABLE_OTEL: 'false',
      DATA_DIR: '/scratch/data',
      CONTENT_EXTRACTION_ENGINE: '',
    });
  });

  it('name what stands in for something else', () => {
    expect(substitutesFor(get)).toEqual(['measured with a Chroma server in place of qdrant']);
    expect(substitutesFor(() => undefined)).toEqual([]);
  });

  it('take servers of the kinds that the user has, and no others', () => {
    const wanted = (values: Record<string, string>, database: string, redis: string) =>
      wantedFor((name) => values[name], database, redis);
    expect(wanted({}, 'sqlite', 'none')).toEqual({
      postgres: false,
      pgvector: false,
      redis: false,
      chroma: false,
    });
    expect(wanted({ VECTOR_DB: 'pgvector' }, 'postgresql', 'redis')).toEqual({
      postgres: true,
      pgvector: true,
      redis: true,
      chroma: false,
    });
    expect(wanted({ CHROMA_HTTP_HOST: 'c' }, 'postgresql', 'none').chroma).toBe(true);
  });

  it('keep SQLite where that is what the user has', () => {
    const { DATABASE_URL } = scratchSettings({
      get: () => undefined,
      services: { upstream },
      database: 'sqlite',
      dataDir: '/scratch/data',
      usersDataDir: '/theirs',
      embedsLocally: true,
      password: 'p',
    });
    expect(DATABASE_URL).toBe('sqlite:////scratch/data/webui.db');
  });
});

describe('the number of workers that is measured', () => {
  const planOn = (gib: number, free: number) => {
    const machine = machineOf(4, gib * GIB);
    const plan = planWith([], { machine });
    return { ...plan, machine: { ...machine, memory: { ...machine.memory, availableBytes: free } } };
  };

  it('is two, or what there is room for', () => {
    expect(workersToMeasure(planOn(16, 16 * GIB))).toBe(2);
    expect(workersToMeasure({ ...planOn(16, 16 * GIB), workers: 1 })).toBe(1);
    expect(workersToMeasure(planOn(16, 1050 * MIB))).toBe(1);
    expect(() => workersToMeasure(planOn(16, 600 * MIB))).toThrow(/600 MiB are free/);
  });
});

describe('what is printed', () => {
  it('has every figure with its meaning', () => {
    expect(MeasurementSchema.parse(MEASUREMENT)).toEqual(MEASUREMENT);
    expect(renderMeasurement({ ...MEASUREMENT, notes: ['a note'] })).toMatchInlineSnapshot(`
      "Open WebUI 0.12.4, Python 3.11.7, preset default, remote embeddings: measured on this machine on 2026-03-01, in 80 s
        preload      400 MiB  once: level lean, and all else that is shared
        worker        90 MiB  private memory after chats, an upload and API calls; 40 MiB before
        supervisor     8 MiB  private memory, one a worker
        all of it    600 MiB  with 2 workers
        boot            12 s  until all serve; 20 s on an empty database
        fork          250 ms  until a forked worker serves
        API call     12.5 ms  of a worker’s CPU
        connections      4.5  to PostgreSQL a worker, while 12 clients ask
        a note
      "
    `);
  });

  it('is a bar that is drawn over on a terminal, and plain lines elsewhere', () => {
    const drawn = (isTTY: boolean) => {
      let text = '';
      const terminal = { out: () => {}, err: (part: string) => (text += part), colors: createColors(false) };
      const progress = startProgress(terminal as never, { isTTY, columns: 40 });
      progress.tell('first', 0);
      progress.tell('first', 0.5);
      progress.tell('second, which is far too long for such a line', 1);
      progress.end();
      return text;
    };
    expect(drawn(false)).toBe('  0 s  first\n  0 s  second, which is far too long for such a line\n');
    const bars = drawn(true).split('\r\u001b[K').slice(1);
    expect(bars).toHaveLength(4);
    expect(bars[1]).toBe(`${'█'.repeat(12)}${'░'.repeat(12)} first (0 s)`);
    expect(bars[2]).toHaveLength(39);
    expect(bars[3]).toBe('');
  });
});

describe('the scratch folder', () => {
  /** The system's folder for temporary files is one of ours meanwhile. */
  async function inTemporary<T>(run: (folder: string) => Promise<T>): Promise<T> {
    const former = process.env.TMPDIR;
    process.env.TMPDIR = temporaryFolder();
    try {
      return await run(process.env.TMPDIR);
    } finally {
      if (former === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = former;
    }
  }

  it('ends with its scope, and with it what was started with its environment', async () => {
    await inTemporary(async (parent) => {
      const scope = new Scope();
      const folder = await makeScratchFolder(scope);
      expect(readdirSync(parent)).toHaveLength(1);
      const child = spawn('sleep', ['60'], {
        env: { PATH: process.env.PATH, ...folder.env },
        detached: true,
      });
      const ended = new Promise((resolve) => child.once('exit', (_, by) => resolve(by)));
      await new Promise((resolve) => child.once('spawn', resolve));
      await scope.close();
      expect(await ended).toBe('SIGKILL');
      expect(readdirSync(parent)).toEqual([]);
    });
  });

  it('of an owner that is dead is swept by the next one; that of a living one is not', async () => {
    await inTemporary(async (parent) => {
      const first = new Scope();
      const living = await makeScratchFolder(first);
      const abandoned = join(parent, 'webui-tune-scratch-dead');
      mkdirSync(abandoned);
      writeFileSync(join(abandoned, 'owner.json'), JSON.stringify({ pid: process.pid, startTime: '1' }));
      const child = spawn('sleep', ['60'], { env: { PATH: process.env.PATH, TMPDIR: abandoned } });
      const ended = new Promise((resolve) => child.once('exit', (_, by) => resolve(by)));
      await new Promise((resolve) => child.once('spawn', resolve));
      const second = new Scope();
      const { path } = await makeScratchFolder(second);
      expect(await ended).toBe('SIGKILL');
      expect(readdirSync(parent).sort()).toEqual([living.path, path].map((each) => basename(each)).sort());
      await second.close();
      await first.close();
    });
  });
});
