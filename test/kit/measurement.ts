/** A kept measurement, and plans that may use it. */
import { MIB } from '../../src/base/units.ts';
import { makePlan } from '../../src/plan/index.ts';
import type { Conditions } from '../../src/plan/measurement.ts';
import type { KeptMeasurement } from '../../src/tune/measurements/kept.ts';
import { inputOf } from './inputs.ts';
import { settingsOf } from './settings-of.ts';

export const CONDITIONS: Conditions = {
  openWebui: '0.12.4',
  python: '3.11.7',
  architecture: 'x64',
  preset: 'default',
  level: 'lean',
  embedsLocally: false,
  settings: 'digest',
};

export const MEASUREMENT: KeptMeasurement = {
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

export const REMOTE = settingsOf({ RAG_EMBEDDING_ENGINE: 'openai' });

export const planWith = (kept: KeptMeasurement[], overrides: Parameters<typeof inputOf>[0] = {}) =>
  makePlan(inputOf({ settings: REMOTE, measured: { kept, settings: 'digest' }, ...overrides }));
