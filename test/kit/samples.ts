/** Samples of a cluster, for what is made of them. */
import type { ProcessUsage } from '../../src/base/machine/usage.ts';
import { GIB, MIB } from '../../src/base/units.ts';
import { DURATION_BOUNDS } from '../../src/runtime/contract.ts';
import type { ScaleTold } from '../../src/runtime/scale/told.ts';
import type { InstanceRecord } from '../../src/runtime/supervisor/report.ts';
import type { InstanceSample, Sample, WorkerSample } from '../../src/runtime/watch/sample.ts';

/** When all processes were started: milliseconds since 1970. */
export const START = Date.parse('2026-03-01T12:00:00Z');
/** When a sample is taken, unless it says otherwise. */
export const NOW = START + 3_600_000;

export function usageOf(pid: number, overrides: Partial<ProcessUsage> = {}): ProcessUsage {
  return {
    pid,
    ppid: 1,
    startedAt: START,
    cpuSeconds: 10,
    memory: { private: 67 * MIB, shared: 280 * MIB, pss: 150 * MIB, rss: 347 * MIB },
    ...overrides,
  };
}

export function workerOf(instance: string, pid: number, overrides: Partial<WorkerSample> = {}): WorkerSample {
  return {
    instance,
    state: 'serving',
    usage: usageOf(pid),
    generation: 'a1b2c3',
    stats: { heardAt: NOW, requests: 1_000, active: 1, sockets: 4, generating: 2, lag: 12.5, tokens: 6_000 },
    ...overrides,
  };
}

export function recordOf(overrides: Partial<InstanceRecord> = {}): InstanceRecord {
  return { since: START, requests: 200, restarts: {}, failedStarts: 0, recent: [], ...overrides };
}

/** So many durations of 2 ms, and one of a minute and a half. */
export function durationsOf(count: number): number[] {
  return [0.002 * count + 90, 0, count, ...Array(DURATION_BOUNDS.length - 2).fill(0), 1];
}

export function instanceOf(instance: string, overrides: Partial<InstanceSample> = {}): InstanceSample {
  return { instance, requests: 1_200, record: recordOf(), memoryLimit: GIB, ...overrides };
}

/** A range of workers, and how their number changed. */
export const SCALE: ScaleTold = {
  decider: '103 1',
  least: 1,
  most: 4,
  counts: { busy: 2, calm: 1 },
  changes: [
    {
      at: NOW - 400_000,
      from: 3,
      to: 2,
      cause: 'calm',
      detail: 'the others are busy 9 % of the time without it',
    },
    { at: NOW - 180_000, from: 2, to: 3, cause: 'busy', detail: 'event loops are busy 64 % of the time' },
  ],
};

/** Two workers that serve. */
export function sampleOf(overrides: Partial<Sample> = {}): Sample {
  return {
    at: NOW,
    controlSocket: '/run/control.sock',
    runtime: 'preload',
    level: 'lean',
    version: '0.12.4',
    generations: ['a1b2c3'],
    parent: usageOf(100),
    supervisors: [usageOf(101), usageOf(102)],
    room: { limit: 4 * GIB, available: GIB, oomKills: 1 },
    documents: { processes: [], waiting: 0 },
    workers: [workerOf('0', 200), workerOf('1', 201)],
    instances: [instanceOf('0'), instanceOf('1')],
    ...overrides,
  };
}

/** Workers of uvicorn, of which nothing is known but what they use. */
export function uvicornSample(): Sample {
  return {
    at: NOW,
    controlSocket: '/run/control.sock',
    runtime: 'uvicorn',
    generations: [],
    parent: usageOf(100),
    supervisors: [],
    room: {},
    workers: ['0', '1'].map((instance) => ({
      instance,
      state: 'running',
      usage: usageOf(200 + Number(instance)),
    })),
    instances: [],
  };
}
