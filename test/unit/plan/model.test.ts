import { describe, expect, it } from 'vitest';
import { CUDA, isForGpus } from '../../../src/plan/model.ts';
import { OPEN_WEBUI, planWith } from '../../kit/observations.ts';

describe('the built-in figures', () => {
  it.each([
    ['2.13.0+cpu', false],
    ['2.14.1', false],
    ['none', false],
    ['2.14.1 (CUDA)', true],
    ['2.14.1+cu130', true],
    ['2.14.1+rocm7.0', true],
  ])('take torch %s for one for GPUs: %s', (torch, expected) => {
    expect(isForGpus(torch)).toBe(expected);
    const { base } = planWith([], { openWebui: { ...OPEN_WEBUI, torch } }).memory;
    const { base: cpu } = planWith([], { openWebui: { ...OPEN_WEBUI, torch: '2.13.0+cpu' } }).memory;
    expect(base - cpu).toBe(expected ? CUDA.full.base : 0);
  });
});
