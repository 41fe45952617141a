import fc from 'fast-check';
import type { MachineFacts } from '../../src/base/machine/facts.ts';
import { GIB, MIB } from '../../src/base/units.ts';
import type { ServiceFacts } from '../../src/facts/types.ts';
import type { PlanInput } from '../../src/plan/input.ts';
import type { Measurement } from '../../src/plan/measurement.ts';
import { loadPreset, presetNames } from '../../src/tune/presets.ts';
import { settingsOf } from './settings-of.ts';

export const UP = { up: true, version: '1' } as const;
export const DOWN = { up: false, reason: 'connect ECONNREFUSED' } as const;

/** All that several workers need. */
export const SERVICES: ServiceFacts = {
  database: {
    kind: 'postgresql',
    where: 'db:5432/webui',
    answer: UP,
    vector: 'installed',
    maxConnections: 500,
    reservedConnections: 3,
    otherConnections: 7,
  },
  redis: { kind: 'redis', where: 'redis:6379', answer: UP },
};

export function machineOf(cores: number, bytes: number): MachineFacts {
  return {
    platform: 'linux',
    architecture: 'x64',
    cpu: { physicalCores: cores, logicalCpus: 2 * cores, machineCpus: 2 * cores, source: 'test' },
    memory: { totalBytes: bytes, availableBytes: bytes, swapBytes: 0, source: 'test' },
    notes: [],
  };
}

/** A machine with four cores, 16 GiB and everything around it. */
export function inputOf(overrides: Partial<PlanInput> = {}): PlanInput {
  return {
    machine: machineOf(4, 16 * GIB),
    preset: loadPreset('default', '/'),
    services: SERVICES,
    settings: settingsOf({}),
    openWebui: { version: '0.12.4', python: '3.11.7', drivers: { psycopg2: true, pgvector: true } },
    places: {
      python: '/venv/bin/python',
      runtime: '/package/dist/runtime',
      dataDir: '/data',
      controlSocket: '/run/control.sock',
      secretsFile: '/data/.webui-tune.env',
      staticCache: '/cache/static',
    },
    dataDir: { reason: 'test', source: 'computed' },
    hasLocalVectors: false,
    host: { value: '0.0.0.0', from: 'default', source: 'flag' },
    port: { value: 8080, from: 'default', source: 'flag' },
    ...overrides,
  };
}

/** What `webui-tune measure` would have kept for `input`, whatever its workers share and embed. */
export function measuredFor(
  { openWebui, machine, preset }: PlanInput,
  figures: Pick<Measurement, 'base' | 'worker' | 'supervisor'>,
): NonNullable<PlanInput['measured']> {
  const kinds = (['full', 'lean', 'libraries', 'none'] as const).flatMap((level) =>
    [true, false].map((embedsLocally) => ({ level, embedsLocally })),
  );
  const conditions = {
    openWebui: openWebui.version,
    python: openWebui.python,
    architecture: machine.architecture,
    preset: preset.name,
    settings: 'digest',
  };
  const kept = kinds.map((kind) => ({
    ...figures,
    at: '2026-03-01T12:00:00.000Z',
    conditions: { ...conditions, ...kind },
  }));
  return { kept, settings: 'digest' };
}

/** Characters that end strings, comments, lines and scripts, or that a file had better not hold. */
const HOSTILE = [
  '"',
  "'",
  '`',
  '\\',
  '\n',
  '\r',
  '\0',
  '\t',
  '\u2028',
  '\u2029',
  '</script>',
  '<!--',
  '-->',
  '*/',
  '/*',
  '//',
  '$' + '{1}',
  '__proto__',
  ' ',
  '\ud800',
  '\u202e',
  '\ufeff',
  '});process.exit(3);({',
  'é',
  '😀',
];

/** UTF-16 units, also those that are no character on their own. */
const unit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code));

export const hostileText = fc
  .array(fc.oneof(fc.constantFrom(...HOSTILE), unit), { maxLength: 6 })
  .map((parts) => parts.join(''));

/** Text that no environment variable can hold is left out of settings. */
const value = hostileText.map((text) => text.replaceAll('\0', ''));

/** Any input for which a plan should exist, or a clear error. */
export const anyInput: fc.Arbitrary<PlanInput> = fc
  .record({
    cores: fc.integer({ min: 1, max: 256 }),
    quota: fc.option(fc.double({ min: 0.1, max: 64, noNaN: true }), { nil: undefined }),
    bytes: fc.integer({ min: 300 * MIB, max: 512 * GIB }),
    share: fc.double({ min: 0.05, max: 1, noNaN: true }),
    limit: fc.option(fc.integer({ min: 200 * MIB, max: 64 * GIB }), { nil: undefined }),
    workers: fc.option(fc.integer({ min: 1, max: 64 }), { nil: undefined }),
    memory: fc.option(fc.integer({ min: 200 * MIB, max: 64 * GIB }), { nil: undefined }),
    preset: fc.constantFrom(...presetNames()),
    hasServices: fc.boolean(),
    isRemote: fc.boolean(),
    preload: fc.constantFrom('auto', 'app', 'lean', 'libraries', 'none'),
    runtime: fc.constantFrom('preload', 'preload', 'preload', 'uvicorn'),
    settings: fc.dictionary(
      fc.constantFrom('WEBUI_NAME', 'A', '__proto__', 'ENABLE_ORJSON', 'WEBUI_URL'),
      value,
    ),
    hostile: value,
    figures: fc.option(
      fc.record({
        base: fc.integer({ min: MIB, max: 4 * GIB }),
        worker: fc.integer({ min: MIB, max: 4 * GIB }),
        supervisor: fc.integer({ min: MIB, max: 64 * MIB }),
      }),
      { nil: undefined },
    ),
  })
  .map((parts) => {
    const machine = machineOf(parts.cores, parts.bytes);
    const available = Math.floor(parts.bytes * parts.share);
    const input = inputOf({
      machine: {
        ...machine,
        cpu: { ...machine.cpu, ...(parts.quota && { quota: { cores: parts.quota, source: parts.hostile } }) },
        memory: {
          ...machine.memory,
          availableBytes: Math.min(available, parts.limit ?? available),
          ...(parts.limit && { limit: { bytes: parts.limit, source: parts.hostile } }),
        },
      },
      preset: loadPreset(parts.preset, '/'),
      services: parts.hasServices ? SERVICES : { database: { kind: 'sqlite' }, redis: { kind: 'none' } },
      settings: settingsOf({ ...parts.settings, ...(parts.isRemote && { RAG_EMBEDDING_ENGINE: 'openai' }) }),
      places: {
        python: `/venv/${parts.hostile}/python`,
        runtime: `/package/${parts.hostile}`,
        dataDir: `/data/${parts.hostile}`,
        controlSocket: `/run/${parts.hostile}`,
        secretsFile: `/data/${parts.hostile}/f`,
        staticCache: `/cache/${parts.hostile}/s`,
        envFile: `/etc/${parts.hostile}`,
      },
      ...(parts.workers && { workers: { value: parts.workers, from: parts.hostile, source: 'flag' } }),
      ...(parts.memory && { memory: { value: parts.memory, from: parts.hostile, source: 'flag' } }),
      preload: parts.preload,
      runtime: parts.runtime,
    });
    return parts.figures ? { ...input, measured: measuredFor(input, parts.figures) } : input;
  });
