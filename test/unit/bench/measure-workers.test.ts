import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../../src/base/units.ts';
import { workersToMeasure } from '../../../src/bench/measure/index.ts';
import { machineOf } from '../../kit/inputs.ts';
import { planWith } from '../../kit/measurement.ts';

describe('the number of workers that is measured', () => {
  const planOn = (gib: number, free: number) => {
    const machine = machineOf(4, gib * GIB);
    const plan = planWith([], { machine });
    return { ...plan, machine: { ...machine, memory: { ...machine.memory, availableBytes: free } } };
  };

  it('is two, or what there is room for', () => {
    expect(workersToMeasure(planOn(16, 16 * GIB))).toBe(2);
    expect(workersToMeasure({ ...planOn(16, 16 * GIB), workers: 1 })).toBe(1);
    expect(workersToMeasure(planOn(16, 950 * MIB))).toBe(1);
    expect(() => workersToMeasure(planOn(16, 600 * MIB))).toThrow(/600 MiB are free/);
  });
});
