/** What a running tree keeps of what it takes, and what the next plan makes of it. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MIB } from '../src/base/units.ts';
import { makePlan } from '../src/plan/index.ts';
import { chooseMeasurement } from '../src/plan/measurement.ts';
import { CUDA, isForGpus } from '../src/plan/model.ts';
import { isOutgrown, plannedMemory } from '../src/plan/outgrown.ts';
import { PlanSchema } from '../src/plan/schema.ts';
import { appsOf } from '../src/render/apps.ts';
import { explanationOf } from '../src/render/explain.ts';
import { OBSERVED } from '../src/runtime/contract.ts';
import { processName } from '../src/runtime/supervisor/history.ts';
import { readMemory } from '../src/runtime/supervisor/memory.ts';
import { type Look, type ObservedInstance, Observer } from '../src/runtime/supervisor/observer.ts';
import { recordName } from '../src/runtime/supervisor/report.ts';
import { fingerprintOf } from '../src/setup/up/plan-step.ts';
import { keepMeasurement, keepObserved, readMeasurements } from '../src/tune/measurements/kept.ts';
import { type Observed, type Planned, readObserved, withKept } from '../src/tune/measurements/observed.ts';
import { inputOf, machineOf } from './inputs.ts';
import { temporaryFolder } from './temporary.ts';

const PLANNED: Planned = {
  preset: 'default',
  settings: 'digest',
  embedsLocally: true,
  architecture: 'x64',
  base: 750 * MIB,
  worker: 81 * MIB,
  supervisor: 9 * MIB,
};

const PRELOAD = {
  at: '2026-11-25T12:00:00.000Z',
  generation: 'abcd',
  openWebui: '0.12.4',
  python: '3.11.7',
  torch: '2.14.1 (CUDA)',
  level: 'app',
  planned: PLANNED,
  rss: 1,
  pss: 1,
  private: 1,
};

const INSTANCE: ObservedInstance = {
  generation: 'abcd',
  at: '2026-11-25T12:01:00.000Z',
  base: 1200 * MIB,
  idle: 60 * MIB,
  worker: 90 * MIB,
  supervisor: 8 * MIB,
};

const OBSERVATION: Observed = {
  observed: true,
  conditions: {
    openWebui: '0.12.4',
    python: '3.11.7',
    torch: '2.14.1 (CUDA)',
    architecture: 'x64',
    preset: 'default',
    level: 'full',
    embedsLocally: true,
    settings: 'digest',
  },
  at: PRELOAD.at,
  base: 1200 * MIB,
  worker: 90 * MIB,
  idle: 60 * MIB,
  supervisor: 8 * MIB,
};

const OPEN_WEBUI = {
  version: '0.12.4',
  python: '3.11.7',
  drivers: { psycopg2: true, pgvector: true },
  torch: '2.14.1 (CUDA)',
};

const planWith = (kept: readonly Observed[], overrides: Parameters<typeof inputOf>[0] = {}) =>
  makePlan(inputOf({ openWebui: OPEN_WEBUI, measured: { kept, settings: 'digest' }, ...overrides }));

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

describe('the choice between what was measured and what was observed', () => {
  const { observed: _, idle: __, ...figures } = OBSERVATION;
  const measuredAt = (at: string) => ({ ...figures, at });
  const before = measuredAt('2026-11-25T11:00:00.000Z');
  const after = measuredAt('2026-11-25T13:00:00.000Z');

  it('is for the newer one', () => {
    const { conditions } = OBSERVATION;
    expect(chooseMeasurement([before, OBSERVATION], conditions).measurement).toBe(OBSERVATION);
    expect(chooseMeasurement([OBSERVATION, after], conditions).measurement).toBe(after);
  });

  it('tells of a measurement that does not hold any more, and not of what was observed by the way', () => {
    const other = { ...OBSERVATION.conditions, torch: '2.13.0+cpu' };
    expect(chooseMeasurement([OBSERVATION], other)).toEqual({});
    expect(chooseMeasurement([OBSERVATION, before], other).notice).toContain(
      'it was made with torch 2.14.1 (CUDA), not 2.13.0+cpu;',
    );
  });

  it('takes one that was made before torch was looked at', () => {
    const { torch: _, ...conditions } = OBSERVATION.conditions;
    const old = { ...before, conditions };
    expect(chooseMeasurement([old], OBSERVATION.conditions).measurement).toBe(old);
    const folder = temporaryFolder();
    const whole = {
      seconds: 1,
      workers: 1,
      workerIdle: MIB,
      tree: MIB,
      firstBootSeconds: 1,
      bootSeconds: 1,
      forkMs: 1,
      cpuMs: 1,
      connections: null,
      notes: [],
    };
    keepMeasurement(folder, { ...old, worker: 90 * MIB, ...whole });
    expect(readMeasurements(folder).kept[0]?.conditions).toEqual(conditions);
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
    const small = { machine: machineOf(2, 1400 * MIB) };
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

describe('a supervisor', () => {
  const LOOK: Look = { pid: 7, generation: 'abcd', memory: 60, firstMemory: 50, limit: 1024, requests: 0 };

  /** With a preload process that is a child of ours, and this process in the place of a supervisor and its worker. */
  function observing() {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    const folder = temporaryFolder({ 'preload.lock': String(child.pid) });
    const serving = { worker: process.pid, supervisor: processName(process.pid) };
    writeFileSync(join(folder, recordName('0')), JSON.stringify({ serving }));
    writeFileSync(
      join(folder, recordName('1')),
      JSON.stringify({ serving: { worker: 1, supervisor: '4194305 1' } }),
    );
    const observer = new Observer(folder, '0', (reason) => expect.unreachable(reason));
    const kept = (): ObservedInstance =>
      JSON.parse(readFileSync(join(folder, OBSERVED.instance('0')), 'utf8')) as ObservedInstance;
    return { folder, observer, kept, child };
  }

  it('keeps the largest worker that has served, and what is shared beside it', () => {
    const { observer, kept, child } = observing();
    try {
      observer.look(LOOK);
      expect(kept()).toMatchObject({ generation: 'abcd', idle: 60 * MIB });
      expect(kept().worker).toBeUndefined();
      for (const [memory, requests] of [
        [80, 100],
        [120, 500],
        [90, 900],
      ] as const)
        observer.look({ ...LOOK, memory, requests });
      expect(kept().worker).toBe(120 * MIB);
      const own = readMemory(process.pid);
      const preload = readMemory(child.pid ?? 0);
      const alone = (preload?.resident ?? 0) + (own?.proportional ?? 0) - (own?.private ?? 0);
      // Both grow and shrink a little from one look to the next.
      expect(kept().base / MIB).toBeGreaterThan(0.8 * alone);
      expect(kept().base / MIB).toBeLessThan(1.5 * alone);
      observer.look({ ...LOOK, pid: 8, memory: 70, requests: 500 });
      expect(kept().worker).toBe(120 * MIB);
    } finally {
      child.kill();
    }
  });

  it('forgets a worker that leaks to its limit, and remembers those before it', () => {
    const { observer, kept, child } = observing();
    try {
      observer.look({ ...LOOK, memory: 80, requests: 200 });
      for (const memory of [300, 600, 900]) observer.look({ ...LOOK, pid: 8, memory, requests: 300 });
      expect(kept().worker).toBe(80 * MIB);
    } finally {
      child.kill();
    }
  });

  it('counts on after another supervisor of the same start, and anew after another start', () => {
    const { folder, observer, kept, child } = observing();
    try {
      observer.look({ ...LOOK, memory: 130, requests: 200 });
      const next = new Observer(folder, '0', (reason) => expect.unreachable(reason));
      next.look({ ...LOOK, pid: 9, memory: 70, requests: 200 });
      expect(kept().worker).toBe(130 * MIB);
      next.look({ ...LOOK, pid: 10, generation: 'next', memory: 70, requests: 200 });
      expect(kept()).toMatchObject({ generation: 'next', worker: 70 * MIB });
    } finally {
      child.kill();
    }
  });

  it('does not stumble over a file of its own that is broken, or a folder that cannot be written', () => {
    const { folder, observer, kept, child } = observing();
    try {
      writeFileSync(join(folder, OBSERVED.instance('0')), '{"generation": "ab');
      observer.look(LOOK);
      expect(kept().generation).toBe('abcd');
      let reason = '';
      const lost = new Observer(join(folder, 'preload.lock'), '0', (words) => {
        reason = words;
      });
      lost.look(LOOK); // there is no preload process in a folder that is none
      expect(reason).toBe('');
    } finally {
      child.kill();
    }
  });
});
