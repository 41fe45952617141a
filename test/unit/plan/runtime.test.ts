import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../../src/base/units.ts';
import { makePlan } from '../../../src/plan/index.ts';
import { inputOf, machineOf } from '../../kit/inputs.ts';
import { REMOTE } from '../../kit/plans.ts';

describe('--runtime uvicorn', () => {
  it.each([
    // 188 for one worker, which is the server itself; the parent's 620 more for several.
    [1, (188 + 620) * MIB],
    [2, (808 + 2 * 620) * MIB],
    [4, (808 + 4 * 620) * MIB],
  ])('%d workers: sized at their full memory and their parent’s', (workers, predicted) => {
    const plan = makePlan(
      inputOf({
        runtime: 'uvicorn',
        workers: { value: workers, from: 'w', source: 'flag' },
        settings: REMOTE,
      }),
    );
    expect(plan).toMatchObject({ runtime: 'uvicorn', workers, memory: { level: 'uvicorn', predicted } });
  });

  it('is within 15 % of what four workers were measured at', () => {
    const { predicted } = makePlan(inputOf({ runtime: 'uvicorn', settings: REMOTE })).memory;
    expect(Math.abs(predicted / (3202 * MIB) - 1)).toBeLessThan(0.15);
  });

  it('says what it cannot do', () => {
    expect(makePlan(inputOf({ runtime: 'uvicorn' })).warnings.join()).toContain('reload without an outage');
    expect(makePlan(inputOf()).warnings).toEqual([]);
  });

  it.each(['darwin', 'win32'])('is the default on %s', (platform) =>
    expect(makePlan(inputOf({ machine: { ...machineOf(4, 16 * GIB), platform } })).runtime).toBe('uvicorn'),
  );
});
