/** A report of the bench, and contenders in it, to be changed by a test. */
import type { BenchReport, ContenderReport } from '../../src/bench/contest/schema.ts';
import { judge } from '../../src/bench/contest/targets.ts';

export function contender(id: string, figures: ContenderReport['figures'], more = {}): ContenderReport {
  return { id, name: id, how: `how ${id}`, workers: 2, memoryOnly: false, figures, notes: [], ...more };
}

export const theirs = contender('web-concurrency', {
  visitsPerSecond: [3, 2, 4],
  apiPerSecond: [100, 90, 110],
  apiP99Ms: [200],
  recoverSeconds: [14],
  reloadLost: [700],
});

export const ours = contender('ours', {
  visitsPerSecond: [21],
  visitCpuMs: [100, 151],
  apiPerSecond: [125],
  apiP99Ms: [201],
  recoverSeconds: [0.5],
  reloadLost: [0],
});

export function report(change: Partial<BenchReport> = {}): BenchReport {
  const contenders = change.contenders ?? [theirs, ours];
  return {
    version: '0.1.0',
    taken: '2026-01-02T03:04:05.000Z',
    minutes: 12.5,
    machine: {
      cpu: 'A CPU',
      cores: 2,
      memoryBytes: 8 * 2 ** 30,
      kernel: '6.1',
      node: 'v20',
      python: '3.11.7',
      openWebui: '0.12.4',
      services: 'PostgreSQL 15',
      busyAtStart: 0.2,
    },
    options: { workers: 2, rounds: 2, seconds: 3, connections: 12 },
    contenders,
    targets: judge(contenders),
    ...change,
  };
}
