/** What a running tree keeps of what it takes, and what the next plan makes of it. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MIB } from '../../../src/base/units.ts';
import { makePlan } from '../../../src/plan/index.ts';
import { PlanSchema } from '../../../src/plan/schema.ts';
import { appsOf } from '../../../src/render/apps.ts';
import { explanationOf } from '../../../src/render/explain.ts';
import { OBSERVED } from '../../../src/runtime/contract.ts';
import type { ObservedInstance } from '../../../src/runtime/supervisor/observer.ts';
import { keepObserved, readMeasurements } from '../../../src/tune/measurements/kept.ts';
import { readObserved, withKept } from '../../../src/tune/measurements/observed.ts';
import { inputOf, machineOf } from '../../kit/inputs.ts';
import { OBSERVATION, PLANNED, PRELOAD, planWith } from '../../kit/observations.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const INSTANCE: ObservedInstance = {
  generation: 'abcd',
  at: '2026-11-25T12:01:00.000Z',
  base: 1200 * MIB,
  idle: 60 * MIB,
  worker: 90 * MIB,
  supervisor: 8 * MIB,
};

/** A run folder; returns what a plan would read there. */
function observedIn(files: Record<string, unknown>): ReturnType<typeof readObserved> {
  const texts = Object.entries(files).map(([name, content]) => [
    name,
    typeof content === 'string' ? content : JSON.stringify(content),
  ]);
  return readObserved(join(temporaryFolder(Object.fromEntries(texts)), 'control.sock'));
}

describe('what a running tree has kept', () => {
  const [zero, one] = [OBSERVED.instance('0'), OBSERVED.instance('1')];

  it('is a measurement of its conditions: the mean of the workers, the newest base', () => {
    const second = { ...INSTANCE, at: '2026-11-25T12:02:00.000Z', base: 1210 * MIB, worker: 110 * MIB };
    expect(observedIn({ [OBSERVED.preload]: PRELOAD, [zero]: INSTANCE, [one]: second })).toEqual({
      observed: { ...OBSERVATION, base: 1210 * MIB, worker: 100 * MIB },
      problems: [],
    });
  });

  it('says nothing of workers that have served nothing, nor of those of an earlier start', () => {
    const { worker: _, ...idle } = INSTANCE;
    const former = { ...INSTANCE, generation: 'former', worker: 500 * MIB };
    const { worker: __, ...expected } = OBSERVATION;
    expect(observedIn({ [OBSERVED.preload]: PRELOAD, [zero]: idle, [one]: former }).observed).toEqual(
      expected,
    );
    expect(observedIn({ [OBSERVED.preload]: PRELOAD, [one]: former })).toEqual({ problems: [] });
    expect(observedIn({ [zero]: INSTANCE })).toEqual({ problems: [] });
    expect(observedIn({})).toEqual({ problems: [] });
  });

  it.each([
    ['half-written', '{"generation": "ab'],
    ['empty', ''],
    ['of another kind', { generation: 'abcd', base: 'much' }],
    ['impossible', { ...INSTANCE, base: 5 }],
  ])('is left out where it is %s, with one line', (_, content) => {
    const { observed, problems } = observedIn({
      [OBSERVED.preload]: PRELOAD,
      [zero]: content,
      [one]: INSTANCE,
    });
    expect(observed).toEqual(OBSERVATION);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(
      /observed-0\.json is not used: .*; the next start of Open WebUI makes a new one$/,
    );
    const none = observedIn({ [OBSERVED.preload]: content, [one]: INSTANCE });
    expect(none.observed).toBeUndefined();
    expect(none.problems).toHaveLength(1);
  });

  it('is kept beside the measurements, and read again', () => {
    const folder = temporaryFolder();
    keepObserved(folder, OBSERVATION);
    keepObserved(folder, { ...OBSERVATION, base: 1250 * MIB });
    expect(readMeasurements(folder)).toEqual({
      kept: [{ ...OBSERVATION, base: 1250 * MIB }],
      problems: [],
    });
    expect(readdirSync(folder)[0]).toMatch(/^observed-0\.12\.4-python3\.11\.7-[0-9a-f]{8}\.json$/);
  });

  it('takes the size of workers from what was known of them before', () => {
    const { worker: _, ...fresh } = { ...OBSERVATION, at: '2026-11-26T12:00:00.000Z' };
    expect(withKept(fresh, [OBSERVATION])).toEqual({ ...fresh, worker: 90 * MIB });
    const others = { ...OBSERVATION, conditions: { ...OBSERVATION.conditions, torch: '2.13.0+cpu' } };
    expect(withKept(fresh, [others])).toEqual(fresh);
  });
});

describe('a plan with what was observed', () => {
  it('computes with it, and says so', () => {
    const plan = planWith([OBSERVATION]);
    expect(plan.memory).toMatchObject({
      base: 1200 * MIB,
      worker: 98 * MIB,
      predicted: (1200 + plan.workers * 98) * MIB,
      source: 'observed on this machine on 2026-11-25',
    });
    expect(explanationOf(plan, 'memory.predicted')?.reason).toMatch(
      /observed on this machine on 2026-11-25$/,
    );
    expect(PlanSchema.parse(JSON.parse(JSON.stringify(plan))).openWebui.torch).toBe('2.14.1 (CUDA)');
  });

  it('takes workers that have not served for no smaller than they are, nor than the built-in ones', () => {
    const { worker: _, ...fresh } = OBSERVATION;
    const builtIn = planWith([]).memory.worker - 9 * MIB;
    expect(planWith([fresh]).memory.worker).toBe(builtIn + 8 * MIB);
    const large = planWith([{ ...fresh, idle: 300 * MIB }]).memory;
    expect(large.worker).toBe(308 * MIB);
    expect(large.source).toMatch(/, before its workers had served$/);
  });

  it('warns where not even one worker fits any more, because one runs', () => {
    const small = { machine: machineOf(2, 1300 * MIB) };
    expect(() => planWith([], small)).toThrow('too little memory for one worker');
    const plan = planWith([OBSERVATION], small);
    expect(plan.workers).toBe(1);
    expect(plan.warnings.join('\n')).toContain('memory is tight: one worker and its successor');
  });

  it('tells the runtime what it was planned with; a plan for elsewhere does not', () => {
    const env = appsOf(planWith([OBSERVATION])).find(({ name }) => name === 'open-webui-preload')?.env;
    expect(JSON.parse((env as Record<string, string>).WEBUI_TUNE_PLANNED ?? '')).toEqual({
      ...PLANNED,
      base: 1200 * MIB,
      worker: 98 * MIB,
      supervisor: 8 * MIB,
    });
    expect(JSON.stringify(appsOf(makePlan(inputOf())))).not.toContain('WEBUI_TUNE_PLANNED');
  });
});
