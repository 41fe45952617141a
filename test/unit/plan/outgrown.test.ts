import { describe, expect, it } from 'vitest';
import { MIB } from '../../../src/base/units.ts';
import { isOutgrown, plannedMemory } from '../../../src/plan/outgrown.ts';
import { fingerprintOf } from '../../../src/setup/up/plan-step.ts';
import type { Observed } from '../../../src/tune/measurements/observed.ts';
import { OBSERVATION, planWith } from '../../kit/observations.ts';

describe('a plan that is there', () => {
  const plan = planWith([OBSERVATION]);
  const before = plannedMemory(plan);
  const isOutgrownBy = (change: Partial<Observed>, planned = before, workers = plan.workers) =>
    isOutgrown(planned, workers, planWith([{ ...OBSERVATION, ...change }]).memory);

  it('stays while a few MiB differ', () => {
    expect(isOutgrownBy({})).toBe(false);
    expect(isOutgrownBy({ base: 1240 * MIB, at: '2026-11-26T12:00:00.000Z' })).toBe(false);
    expect(isOutgrownBy({ worker: 92 * MIB })).toBe(false);
    const prints = [plan, planWith([{ ...OBSERVATION, base: 1240 * MIB }])].map((one) =>
      fingerprintOf(one, {}),
    );
    expect(new Set(prints).size).toBe(1);
  });

  it('goes where the whole differs by more than 5 %', () => {
    expect(isOutgrownBy({ base: 1300 * MIB })).toBe(true);
    expect(isOutgrownBy({ base: 1100 * MIB })).toBe(true);
  });

  it('goes where its budget holds another number of workers', () => {
    const needed = (count: number) =>
      plan.memory.base + (count + 1) * (plan.memory.worker + plan.memory.growth);
    const budget = needed(plan.workers);
    expect(isOutgrownBy({}, { ...before, budget })).toBe(false);
    expect(isOutgrownBy({ worker: 91 * MIB }, { ...before, budget })).toBe(true);
    const roomy = { ...before, budget: needed(plan.workers + 1) };
    expect(isOutgrownBy({}, roomy)).toBe(false);
    expect(isOutgrownBy({}, { ...roomy, limitedBy: 'memory' })).toBe(true);
  });

  it('goes where an ordinary worker would reach its limit', () => {
    expect(isOutgrownBy({}, { ...before, workerLimit: 150 * MIB })).toBe(true);
  });
});
