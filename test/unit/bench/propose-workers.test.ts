import { describe, expect, it } from 'vitest';
import { proposeWorkers } from '../../../src/bench/contest/propose-workers.ts';

describe('the knee', () => {
  const step = (workers: number, perSecond: number) => ({
    workers,
    perSecond: [perSecond - 1, perSecond, perSecond + 1],
    p99Ms: [100],
    memoryMib: 300 + 70 * workers,
  });

  it('is the fewest workers that are near the best', () => {
    const { workers, reason } = proposeWorkers([step(1, 90), step(2, 180), step(3, 186), step(4, 181)]);
    expect(workers).toBe(2);
    expect(reason).toContain('from 1 to 2: +100 %; from 2 to 3: +3 % for 70 MiB');
  });

  it('is the last one where it only rises', () => {
    const { workers, reason } = proposeWorkers([step(1, 90), step(2, 180), step(3, 270)]);
    expect(workers).toBe(3);
    expect(reason).toContain('more were not tried');
  });

  it('is the first one where more make it worse', () => {
    const { workers, reason } = proposeWorkers([step(1, 90), step(2, 80)]);
    expect(workers).toBe(1);
    expect(reason).toContain('from 1 to 2: −11 %');
  });
});
