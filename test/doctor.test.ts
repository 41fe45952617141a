import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT, TuneError } from '../src/base/errors.ts';
import { check, error, note, ok, warning } from '../src/doctor/check.ts';
import { CHECKS } from '../src/doctor/checks/index.ts';
import { absent, known, type Outcomes } from '../src/doctor/facts.ts';
import { renderDoctor, summaryOf } from '../src/doctor/report.ts';
import { countVerdicts, exitCodeOf, NAMES, runChecks } from '../src/doctor/run.ts';
import { DoctorSchema, doctorReport } from '../src/doctor/schema.ts';
import { renderCheckTable } from '../src/doctor/table.ts';
import { ROOT } from './kit/environment.ts';

/** Nothing is known, but for what a test says. */
function outcomesOf(outcomes: Partial<Outcomes>): Outcomes {
  const nothing = Object.fromEntries(Object.keys(NAMES).map((name) => [name, absent('not asked')]));
  return { ...nothing, ...outcomes } as Outcomes;
}

const port = (run: (number: number) => ReturnType<typeof ok>) =>
  check({
    id: 'machine.port',
    title: 't',
    why: 'w',
    source: 's',
    needs: ['port'],
    about: 'port',
    run: ({ port }) => run(port.number),
  });

describe('the checks', () => {
  it('are many, each with a name of its own', () => {
    const ids = CHECKS.map(({ id }) => id);
    expect(ids.length).toBeGreaterThanOrEqual(25);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('tell of each fact that may fail', () => {
    // A machine that cannot be read is told by the plan; services are the database and Redis together.
    const needed = new Set(CHECKS.flatMap(({ needs }) => needs));
    const told = new Set(CHECKS.flatMap(({ about }) => about ?? []));
    const throwing = [
      'ecosystem',
      'viewpoint',
      'interpreter',
      'expected',
      'installation',
      'database',
      'redis',
    ];
    for (const name of [...throwing, 'broker', 'plan', 'pm2', 'crossing', 'trials', 'models'])
      expect(told, name).toContain(name);
    for (const name of told) expect(needed).toContain(name);
  });

  it('say why, how it is known, and what ought to be so', () => {
    for (const { id, title, why, source } of CHECKS) {
      for (const text of [title, why, source]) expect(text.length, id).toBeGreaterThan(5);
    }
  });

  it('are those of the documentation', () => {
    const page = readFileSync(join(ROOT, 'docs', 'doctor.md'), 'utf8');
    expect(page).toContain(renderCheckTable(CHECKS));
  });
});

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
