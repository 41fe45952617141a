import { describe, expect, it } from 'vitest';
import { MIB } from '../../../src/base/units.ts';
import { chooseMeasurement } from '../../../src/plan/measurement.ts';
import { keepMeasurement, readMeasurements } from '../../../src/tune/measurements/kept.ts';
import { CONDITIONS, MEASUREMENT } from '../../kit/measurement.ts';
import { OBSERVATION } from '../../kit/observations.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

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

describe('the choice of a measurement', () => {
  it('is the newest of those that hold', () => {
    const newer = { ...MEASUREMENT, at: '2026-04-01T12:00:00.000Z' };
    expect(chooseMeasurement([MEASUREMENT, newer], CONDITIONS)).toEqual({ measurement: newer });
    expect(chooseMeasurement([newer, MEASUREMENT], CONDITIONS)).toEqual({ measurement: newer });
    expect(chooseMeasurement([], CONDITIONS)).toEqual({});
  });

  it.each([
    [{ openWebui: '0.13.0' }, 'Open WebUI 0.12.4, not 0.13.0'],
    [{ python: '3.12.1' }, 'Python 3.11.7, not 3.12.1'],
    [{ architecture: 'arm64' }, 'the architecture x64, not arm64'],
    [{ preset: 'small' }, 'the preset default, not small'],
    [{ level: 'full' as const, embedsLocally: true }, 'the preload level lean, not full, remote embeddings'],
    [{ settings: 'other' }, 'other settings'],
  ])('%j: none, and why', (change, words) => {
    expect(chooseMeasurement([MEASUREMENT], { ...CONDITIONS, ...change })).toEqual({
      notice:
        `the measurement of 2026-03-01 is not used, because it was made with ${words}; the built-in figures are. ` +
        'Measure again: webui-tune measure',
    });
  });

  it('names what is nearest', () => {
    const far = { ...MEASUREMENT, conditions: { ...CONDITIONS, openWebui: '0.11.0', python: '3.10.1' } };
    const near = { ...MEASUREMENT, conditions: { ...CONDITIONS, python: '3.12.0' } };
    expect(chooseMeasurement([far, near], CONDITIONS).notice).toContain('Python 3.12.0, not 3.11.7;');
  });
});
