import { describe, expect, it } from 'vitest';
import { error, ok } from '../../../src/doctor/check.ts';
import { absent, known } from '../../../src/doctor/outcome.ts';
import { countVerdicts, runChecks } from '../../../src/doctor/run.ts';
import { DoctorSchema, doctorReport } from '../../../src/doctor/schema.ts';
import { renderDoctor, summaryOf } from '../../../src/doctor/text-report.ts';
import { outcomesOf, port } from '../../kit/doctor-facts.ts';

describe('the report', () => {
  const outcomes = outcomesOf({ port: known({ number: 1 }) });
  const reports = runChecks(
    [port(() => error('wrong\u001b[31m', 'chmod')), port(() => ok('right'))],
    outcomes,
  );

  it('is JSON that the schema describes', () => {
    const report = DoctorSchema.parse(doctorReport(reports, outcomes));
    expect(report.counts).toEqual({ ok: 1, note: 0, skipped: 0, warning: 0, error: 1 });
    expect(report.findings[0]).toMatchObject({ check: 'machine.port', mend: ['chmod'], fixable: false });
  });

  it('has the reasons of what is wrong, and of all with --verbose; a terminal obeys none of it', () => {
    const text = (isVerbose: boolean) => renderDoctor(reports, isVerbose).map((line) => line.text);
    expect(text(false).join('\n')).toMatch(
      /✗ machine\.port {2}wrong\\u001b\[31m\n {4}why: {4}w\n {4}mend: {3}chmod/,
    );
    expect(text(true).length).toBeGreaterThan(text(false).length);
    expect(summaryOf(countVerdicts(reports), false)).toBe('1 error, 0 warnings, 0 notes; 1 fine, 0 skipped');
  });

  it('folds what is skipped for one reason', () => {
    const skippedTwice = runChecks(
      [port(() => ok('')), port(() => ok(''))],
      outcomesOf({ port: absent('no') }),
    );
    expect(renderDoctor(skippedTwice, false).map(({ text }) => text)).toEqual([
      'machine',
      '  – 2 checks      no',
    ]);
    expect(renderDoctor(skippedTwice, true).length).toBeGreaterThan(2);
  });
});
