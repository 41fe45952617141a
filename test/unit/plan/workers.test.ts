import { describe, expect, it } from 'vitest';
import { GIB } from '../../../src/base/units.ts';
import { makePlan } from '../../../src/plan/index.ts';
import type { PlanInput } from '../../../src/plan/input.ts';
import type { Plan } from '../../../src/plan/types.ts';
import { loadPreset } from '../../../src/tune/presets.ts';
import { inputOf, machineOf } from '../../kit/inputs.ts';
import { REMOTE } from '../../kit/plans.ts';

describe('workers', () => {
  it.each<[string, Partial<PlanInput>, number, Plan['limitedBy']]>([
    ['one for each core', {}, 4, 'cores'],
    // (4096 − 410 reserve − 510) ÷ (66 + 35 for the embedding model + 9 + 64) = 18, and one of them for reloads.
    ['as many as fit', { machine: machineOf(64, 4 * GIB) }, 17, 'memory'],
    // Without the model: 3176 ÷ 139 = 22.
    [
      'more where documents are embedded elsewhere',
      { machine: machineOf(64, 4 * GIB), preload: 'app', settings: REMOTE },
      21,
      'memory',
    ],
    [
      'no more than what is asked for',
      { workers: { value: 2, from: '--workers 2', source: 'flag' } },
      2,
      'user',
    ],
    [
      'more than cores if asked for',
      { workers: { value: 9, from: '--workers 9', source: 'flag' } },
      9,
      'user',
    ],
    [
      'never more than fit',
      { machine: machineOf(4, 4 * GIB), workers: { value: 64, from: 'w', source: 'flag' } },
      17,
      'memory',
    ],
    ['no more than the preset', { preset: loadPreset('small', '/') }, 2, 'user'],
    [
      'no more than a share of memory',
      { memory: { value: 1.2 * GIB, from: '--memory 1.2GiB', source: 'flag' } },
      2,
      'memory',
    ],
  ])('%s', (_, overrides, workers, limitedBy) => {
    expect(makePlan(inputOf(overrides))).toMatchObject({ workers, limitedBy });
  });

  it.each([
    [0.5, 1],
    [1.5, 1],
    [3, 3],
    [100, 4],
  ])('a quota of %d CPUs feeds %d', (cores, workers) => {
    const machine = machineOf(4, 16 * GIB);
    machine.cpu.quota = { cores, source: '/sys/fs/cgroup/cpu.max' };
    const plan = makePlan(inputOf({ machine }));
    expect(plan.workers).toBe(workers);
    expect(plan.recommendations[0]?.reason.includes('cpu.max')).toBe(cores < 4);
  });

  const range = (least: number, value: number): Partial<PlanInput> => ({
    workers: { value, least, from: `--workers ${least}..${value}`, source: 'flag' },
  });

  it.each<[string, Partial<PlanInput>, number | undefined, number]>([
    ['a range is planned for its upper end', range(1, 3), 1, 3],
    // 17 fit.
    ['a range ends with what fits', { ...range(2, 64), machine: machineOf(4, 4 * GIB) }, 2, 17],
    [
      'less room than the least leaves a fixed number',
      { ...range(20, 64), machine: machineOf(4, 4 * GIB) },
      undefined,
      17,
    ],
    ['a range of one number is that number', range(3, 3), undefined, 3],
    ['one worker is one worker', { ...range(1, 4), machine: machineOf(4, GIB) }, undefined, 1],
    ['a preset may ask for a range', { preset: loadPreset('shared', '/') }, 1, 4],
    [
      'a number that is asked for is one, with such a preset too',
      { preset: loadPreset('shared', '/'), workers: { value: 3, from: '--workers 3', source: 'flag' } },
      undefined,
      3,
    ],
  ])('%s', (_, overrides, least, most) => {
    const plan = makePlan(inputOf(overrides));
    expect([plan.leastWorkers, plan.workers]).toEqual([least, most]);
    const fixed = makePlan(
      inputOf({ ...overrides, workers: { value: most, from: `--workers ${most}`, source: 'flag' } }),
    );
    // Pools, memory and limits of the upper end.
    expect(plan.settings).toEqual(fixed.settings);
    expect(plan.memory).toEqual(fixed.memory);
    expect(plan.recommendations[0]?.value).toBe(least === undefined ? most : `${least} to ${most}`);
  });

  it('a range is refused where each worker would import Open WebUI for itself', () =>
    expect(() => makePlan(inputOf({ ...range(1, 4), runtime: 'uvicorn' }))).toThrow(
      'workers cannot come and go with --runtime uvicorn (1 to 4 were asked for)',
    ));

  it('warns of more workers than cores', () => {
    const { warnings } = makePlan(inputOf({ workers: { value: 9, from: '--workers 9', source: 'flag' } }));
    expect(warnings).toEqual([expect.stringContaining('9 workers share 4 physical cores')]);
  });
});
