import { describe, expect, it } from 'vitest';
import { CUDA, isForGpus, sharesUncounted } from '../../../src/plan/model.ts';
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

  it.each([
    ['3.12.1', true, true],
    ['3.13.0', true, true],
    ['3.11.9', true, false],
    ['3.12.1', false, false],
    ['?', true, false],
  ])(
    'take workers of Python %s, with shortcuts %s, for such as write to what they share: not %s',
    (python, shortcuts, expected) => {
      expect(sharesUncounted(python, shortcuts)).toBe(expected);
      const options = { preload: 'lean', shortcuts } as const;
      const { worker } = planWith([], { ...options, openWebui: { ...OPEN_WEBUI, python } }).memory;
      const { worker: counted } = planWith([], {
        ...options,
        openWebui: { ...OPEN_WEBUI, python: '3.11.7' },
      }).memory;
      expect(worker < counted).toBe(expected);
    },
  );
});
