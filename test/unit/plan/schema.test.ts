import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PlanSchema } from '../../../src/plan/schema.ts';
import { anyInput } from '../../kit/inputs.ts';
import { planOrNothing } from '../../kit/plans.ts';

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('PlanSchema', () => {
  it('is what the schema says, for any plan', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOrNothing(input);
        fc.pre(plan !== undefined);
        expect(PlanSchema.strict().parse(plain(plan))).toEqual(plain(plan));
      }),
    );
  });
});
