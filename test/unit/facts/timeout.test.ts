import { describe, expect, it } from 'vitest';
import { reasonOf, within } from '../../../src/facts/services/timeout.ts';

describe('within', () => {
  it('gives up', async () => {
    await expect(within(5, new Promise(() => {}))).rejects.toThrow('no answer');
    await expect(within(1000, Promise.resolve(1))).resolves.toBe(1);
  });

  it('finds the reason in what Node makes of several addresses', () =>
    expect(reasonOf(new AggregateError([new Error('refused\nmore')]))).toBe('refused'));
});
