import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/plan/index.ts';
import { explainableKeys, explanationOf, similarKeys } from '../../../src/render/explain.ts';
import { inputOf } from '../../kit/inputs.ts';

describe('explanationOf', () => {
  const plan = makePlan(inputOf());

  it('knows every number and every setting, in any case', () => {
    for (const key of explainableKeys(plan)) {
      expect(explanationOf(plan, key.toUpperCase())).toMatchObject({
        key,
        reason: expect.stringMatching(/./),
      });
    }
  });

  it('says what holds the number of workers', () =>
    expect(explanationOf(plan, 'workers')).toEqual({
      key: 'workers',
      value: '4',
      reason: '4 physical cores (8 hyper-threads)',
      source: 'computed, limited by cores',
    }));

  it('names similar keys where there is none', () => {
    expect(explanationOf(plan, 'memory')).toBeUndefined();
    expect(similarKeys(plan, 'memory')).toContain('memory.budget');
    expect(similarKeys(plan, 'zzz').length).toBeGreaterThan(3);
  });
});
