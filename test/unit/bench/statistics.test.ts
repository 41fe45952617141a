import { describe, expect, it } from 'vitest';
import { formatNumber, percentile, summarize } from '../../../src/bench/contest/statistics.ts';

describe('statistics', () => {
  it('takes minimum, median and maximum', () => {
    expect(summarize([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3 });
    expect(summarize([4, 1, 2, 3])).toEqual({ min: 1, median: 2.5, max: 4 });
    expect(() => summarize([])).toThrow('without a sample');
  });

  it('takes the sample that a share of all does not exceed', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile(hundred, 0.5)).toBe(50);
    expect(percentile([7], 0.999)).toBe(7);
    expect(() => percentile([], 0.5)).toThrow('without a sample');
  });

  it.each([
    [0, '0'],
    [0.4321, '0.43'],
    [18.44, '18.4'],
    [730, '730'],
    [2619.4, '2,619'],
  ])('writes %d as %s', (value, text) => expect(formatNumber(value)).toBe(text));
});
