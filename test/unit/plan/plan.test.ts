import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GIB } from '../../../src/base/units.ts';
import { makePlan } from '../../../src/plan/index.ts';
import type { PlanInput } from '../../../src/plan/input.ts';
import { anyInput, inputOf, machineOf } from '../../kit/inputs.ts';
import { planOrNothing } from '../../kit/plans.ts';

/** Workers; a machine that is too small has none. */
const workersOf = (input: PlanInput) => planOrNothing(input)?.workers ?? 0;

describe('whatever the machine and the requests', () => {
  it('never goes over the budget, not even while reloading', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOrNothing(input);
        fc.pre(plan !== undefined);
        const { budget, base, worker, growth, from, reserve, services } = plan.memory;
        const surge = plan.runtime === 'uvicorn' ? 0 : 1;
        expect(base + services + (plan.workers + surge) * (worker + growth)).toBeLessThanOrEqual(budget);
        expect(budget + reserve).toBe(from.bytes);
        expect(from.bytes).toBeLessThanOrEqual(input.machine.memory.availableBytes);
        expect(from.bytes).toBeLessThanOrEqual(input.memory?.value ?? from.bytes);
      }),
    );
  });

  it('lets every worker reach its limit within the budget, and no ordinary one hit it', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOrNothing(input);
        fc.pre(plan?.runtime === 'preload');
        const { budget, base, worker, supervisor, growth, workerLimit } = plan.memory;
        const starting = worker + growth;
        expect(base + starting + plan.workers * (workerLimit + supervisor)).toBeLessThanOrEqual(budget);
        expect(workerLimit).toBeGreaterThanOrEqual(worker - supervisor + growth);
      }),
    );
  });

  it('has at least one worker, and a bound that says why there are no more', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOrNothing(input);
        fc.pre(plan !== undefined);
        expect(plan.workers).toBeGreaterThanOrEqual(1);
        expect(plan.bounds[plan.limitedBy]).toBe(plan.workers);
      }),
    );
  });

  it('is the same plan every time, and the plan of a plan is itself', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOrNothing(input);
        fc.pre(plan !== undefined);
        expect(makePlan(input)).toEqual(plan);
        const again = makePlan({ ...input, workers: { value: plan.workers, from: 'again', source: 'flag' } });
        expect(again.workers).toBe(plan.workers);
        expect(again.memory).toEqual(plan.memory);
      }),
    );
  });

  it('has no fewer workers with more cores or more memory', () => {
    fc.assert(
      fc.property(
        anyInput,
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 64 }),
        (input, cores, gib) => {
          const { cpu, memory, ...machine } = input.machine;
          const more = gib * GIB;
          const larger = {
            ...machine,
            cpu: { ...cpu, physicalCores: cpu.physicalCores + cores },
            memory: {
              ...memory,
              totalBytes: memory.totalBytes + more,
              availableBytes: memory.availableBytes + more,
              ...(memory.limit && { limit: { ...memory.limit, bytes: memory.limit.bytes + more } }),
            },
          };
          expect(workersOf({ ...input, machine: larger })).toBeGreaterThanOrEqual(workersOf(input));
        },
      ),
    );
  });

  it('takes no longer for 256 cores than for 2', () => {
    const time = (cores: number) => {
      const input = inputOf({ machine: machineOf(cores, 512 * GIB) });
      const started = process.hrtime.bigint();
      for (let round = 0; round < 200; round++) makePlan(input);
      return Number(process.hrtime.bigint() - started);
    };
    time(2);
    expect(time(256)).toBeLessThan(10 * time(2));
  });
});
