/** What a running tree has kept of itself, and plans that read it. */
import { MIB } from '../../src/base/units.ts';
import { makePlan } from '../../src/plan/index.ts';
import type { Observed, Planned } from '../../src/tune/measurements/observed.ts';
import { inputOf } from './inputs.ts';

export const PLANNED: Planned = {
  preset: 'default',
  settings: 'digest',
  embedsLocally: true,
  architecture: 'x64',
  base: 750 * MIB,
  worker: 81 * MIB,
  supervisor: 9 * MIB,
};

export const PRELOAD = {
  at: '2026-11-25T12:00:00.000Z',
  generation: 'abcd',
  openWebui: '0.12.4',
  python: '3.11.7',
  torch: '2.14.1 (CUDA)',
  level: 'app',
  planned: PLANNED,
  rss: 1,
  pss: 1,
  private: 1,
};

export const OBSERVATION: Observed = {
  observed: true,
  conditions: {
    openWebui: '0.12.4',
    python: '3.11.7',
    torch: '2.14.1 (CUDA)',
    architecture: 'x64',
    preset: 'default',
    level: 'full',
    embedsLocally: true,
    settings: 'digest',
  },
  at: PRELOAD.at,
  base: 1200 * MIB,
  worker: 90 * MIB,
  idle: 60 * MIB,
  supervisor: 8 * MIB,
};

export const OPEN_WEBUI = {
  version: '0.12.4',
  python: '3.11.7',
  drivers: { psycopg2: true, pgvector: true },
  torch: '2.14.1 (CUDA)',
};

export const planWith = (kept: readonly Observed[], overrides: Parameters<typeof inputOf>[0] = {}) =>
  makePlan(inputOf({ openWebui: OPEN_WEBUI, measured: { kept, settings: 'digest' }, ...overrides }));
