import { describe, expect, it } from 'vitest';
import { contendersFor } from '../../../src/bench/contest/contenders.ts';
import { CLAIMS, judge } from '../../../src/bench/contest/targets.ts';
import { ours, theirs } from '../../kit/bench-report.ts';

describe('claims', () => {
  const verdicts = Object.fromEntries(judge([theirs, ours]).map(({ what, verdict }) => [what, verdict]));

  it('compares medians', () => {
    expect(verdicts).toMatchObject({
      'first visits a second': 'holds',
      'API requests a second': 'holds',
      'recovery: times as quick': 'holds',
    });
  });

  it('does not round a miss away', () => expect(verdicts['p99 of API requests']).toBe('misses'));

  it('holds a figure of its own to the worst sample', () =>
    expect(verdicts['worker CPU of a first visit']).toBe('misses'));

  it('says what was not measured', () => {
    expect(verdicts['memory, four workers, lean preload']).toBe('not measured');
    expect(judge([]).every(({ verdict, value }) => verdict === 'not measured' && value === undefined)).toBe(
      true,
    );
  });

  it('counts a single lost request', () => {
    const [lost] = judge([{ ...ours, figures: { reloadLost: [0, 1] } }]).slice(-1);
    expect(lost).toMatchObject({ value: 1, verdict: 'misses' });
  });

  it('names only contenders that there are', () => {
    const ids = contendersFor(2).map(({ id }) => id);
    for (const { of, beside } of CLAIMS) expect(ids).toEqual(expect.arrayContaining([of, beside ?? of]));
    expect(new Set(ids).size).toBe(ids.length);
  });
});
