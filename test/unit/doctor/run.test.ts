import { describe, expect, it } from 'vitest';
import { EXIT, TuneError } from '../../../src/base/errors.ts';
import { error, note, ok, warning } from '../../../src/doctor/check.ts';
import { absent, known } from '../../../src/doctor/outcome.ts';
import { exitCodeOf, runChecks } from '../../../src/doctor/run.ts';
import { outcomesOf, port } from '../../kit/doctor-facts.ts';

describe('runChecks', () => {
  it('gives a check its facts', () => {
    const [report] = runChecks(
      [port((number) => ok(String(number)))],
      outcomesOf({ port: known({ number: 1 }) }),
    );
    expect(report).toMatchObject({
      verdict: 'ok',
      found: '1',
      check: { id: 'machine.port', group: 'machine' },
    });
  });

  it('makes an error of a fact that failed, and skips what else needs it, with the reason', () => {
    const failed = { state: 'failed', error: new TuneError('gone', EXIT.service, ['mend it']) } as const;
    const { about: _, ...other } = port(() => ok(''));
    const reports = runChecks(
      [port(() => ok('')), { ...other, id: 'machine.x' }],
      outcomesOf({ port: failed }),
    );
    expect(reports[0]).toMatchObject({ verdict: 'error', found: 'gone', mend: ['mend it'] });
    expect(reports[1]).toMatchObject({ verdict: 'skipped', found: expect.stringContaining('gone') });
  });

  it('skips what cannot be asked, with the reason', () => {
    const [report] = runChecks([port(() => ok(''))], outcomesOf({ port: absent('it does not run') }));
    expect(report).toMatchObject({ verdict: 'skipped', found: 'it does not run' });
  });
});

describe('the exit code', () => {
  const exitOf = (...findings: ReturnType<typeof ok>[]) =>
    exitCodeOf(
      findings.flatMap((finding) =>
        runChecks([port(() => finding)], outcomesOf({ port: known({ number: 1 }) })),
      ),
    );

  it.each([
    [EXIT.ok, [ok(''), note('')]],
    [EXIT.doubtful, [ok(''), warning('')]],
    [EXIT.unhealthy, [warning(''), error('')]],
  ])('%s', (code, findings) => expect(exitOf(...findings)).toBe(code));

  it('is that of what is not fixed', () => {
    const [report] = runChecks([port(() => error('x'))], outcomesOf({ port: known({ number: 1 }) }));
    if (!report) throw new Error('no report');
    expect(exitCodeOf([{ ...report, fixed: 'done' }])).toBe(EXIT.ok);
  });
});
