import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../../src/base/units.ts';
import { makePlan } from '../../../src/plan/index.ts';
import { PlanSchema } from '../../../src/plan/schema.ts';
import type { Plan } from '../../../src/plan/types.ts';
import { explanationOf } from '../../../src/render/explain.ts';
import { reportOf } from '../../../src/render/report.ts';
import { anyInput, inputOf, machineOf, measuredFor } from '../../kit/inputs.ts';
import { MEASUREMENT, planWith, REMOTE } from '../../kit/measurement.ts';

const reportText = (plan: Plan) =>
  reportOf(plan, [])
    .map(({ cells }) => cells.join(' '))
    .join('\n');

describe('a plan with a measurement', () => {
  it('computes with it, and says so in the report, in --explain and in --json', () => {
    const plan = planWith([MEASUREMENT]);
    expect(plan.memory).toMatchObject({
      base: 400 * MIB,
      worker: 98 * MIB,
      supervisor: 8 * MIB,
      predicted: (400 + plan.workers * 98) * MIB,
      source: 'measured on this machine on 2026-03-01',
      measuredAt: MEASUREMENT.at,
    });
    expect(reportText(plan)).toContain(
      `400 MiB for the lean preload + ${plan.workers} × 98 MiB, measured on this machine on 2026-03-01`,
    );
    for (const key of ['preload', 'memory.base', 'memory.worker', 'memory.predicted']) {
      expect(explanationOf(plan, key)?.reason).toMatch(/[;,] measured on this machine on 2026-03-01$/);
    }
    expect(PlanSchema.parse(JSON.parse(JSON.stringify(plan))).memory.measuredAt).toBe(MEASUREMENT.at);
    expect(plan.warnings).toEqual([]);
  });

  it('falls back to the built-in figures for another version, with one line that names the command', () => {
    const openWebui = { version: '0.13.0', python: '3.11.7', drivers: { psycopg2: true, pgvector: true } };
    const plan = planWith([MEASUREMENT], { openWebui });
    const { memory, warnings } = planWith([], { openWebui });
    expect(plan.memory).toEqual(memory);
    expect(plan.memory.measuredAt).toBeUndefined();
    expect(plan.warnings).toHaveLength(warnings.length + 1);
    expect(plan.warnings.at(-1)).toMatch(/0\.12\.4, not 0\.13\.0;.*: webui-tune measure$/);
    expect(reportText(plan)).not.toContain('on this machine on');
  });

  it('of uvicorn’s own workers has no use for it, and says nothing of it', () => {
    const plan = planWith([MEASUREMENT], { runtime: 'uvicorn' });
    expect(plan.memory).toEqual(planWith([], { runtime: 'uvicorn' }).memory);
    expect(plan.warnings.join()).not.toContain('measure');
  });

  it('has no more workers where more is measured, and none fewer with more memory', () => {
    const figures = fc.record({
      base: fc.integer({ min: MIB, max: 4 * GIB }),
      worker: fc.integer({ min: MIB, max: 4 * GIB }),
      supervisor: fc.integer({ min: MIB, max: 64 * MIB }),
    });
    const workers = (bytes: number, measured: { base: number; worker: number; supervisor: number }) => {
      const input = inputOf({ settings: REMOTE, machine: machineOf(64, bytes) });
      try {
        return makePlan({ ...input, measured: measuredFor(input, measured) }).workers;
      } catch {
        return 0; // not even one
      }
    };
    const size = fc.integer({ min: 512 * MIB, max: 64 * GIB });
    fc.assert(
      fc.property(size, size, figures, fc.integer({ min: 0, max: GIB }), (a, b, measured, more) => {
        const [less, most] = [Math.min(a, b), Math.max(a, b)];
        expect(workers(less, measured)).toBeLessThanOrEqual(workers(most, measured));
        expect(workers(less, { ...measured, worker: measured.worker + more })).toBeLessThanOrEqual(
          workers(less, measured),
        );
        expect(workers(less, { ...measured, base: measured.base + more })).toBeLessThanOrEqual(
          workers(less, measured),
        );
      }),
    );
  });

  it('is among the plans of which all else is true', () => {
    const samples = fc.sample(anyInput, 200);
    expect(samples.some(({ measured }) => measured)).toBe(true);
    const used = samples.flatMap((input) => {
      try {
        return makePlan(input).memory.measuredAt ?? [];
      } catch {
        return [];
      }
    });
    expect(used.length).toBeGreaterThan(0);
  });
});
