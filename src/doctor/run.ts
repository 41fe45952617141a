import { EXIT, type ExitCode } from '../base/errors.ts';
import { type Check, type Finding, skipped, VERDICTS, type Verdict } from './check.ts';
import { lackingFact } from './fact-table.ts';
import { FACTS, type Facts, type Outcomes } from './facts.ts';
import { valueIfKnown } from './outcome.ts';

/** What one check found, with all that a reader needs to judge it. */
export interface Report extends Finding {
  check: Pick<Check, 'id' | 'group' | 'title' | 'why' | 'source'>;
  /** What `--fix` did about it; undefined: nothing. */
  fixed?: string;
}

/** Runs all checks on what is known. Pure. A check that lacks a fact is skipped, with the reason. */
export function runChecks(checks: readonly Check[], outcomes: Outcomes): Report[] {
  return checks.flatMap((check) =>
    findingsOf(check, outcomes).map((finding) => ({ ...finding, check: describe(check) })),
  );
}

function describe({ id, group, title, why, source }: Check): Report['check'] {
  return { id, group, title, why, source };
}

function findingsOf(check: Check, outcomes: Outcomes): readonly Finding[] {
  for (const name of check.needs) {
    const outcome = outcomes[name];
    if (outcome.state === 'absent') return [skipped(outcome.reason)];
    if (outcome.state === 'known') continue;
    const { message, mend } = outcome.error;
    if (name === check.about) return [{ verdict: 'error', found: message, mend }];
    return [skipped(lackingFact(FACTS.lacking[name], message))];
  }
  const entries = [...check.needs, ...check.uses].map((name) => [
    name,
    valueIfKnown<unknown>(outcomes[name]),
  ]);
  return check.run(Object.fromEntries(entries) as Facts);
}

export type Counts = Readonly<Record<Verdict, number>>;

export function countVerdicts(reports: readonly Report[]): Counts {
  const counts = Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0])) as Record<Verdict, number>;
  for (const { verdict } of reports) counts[verdict] += 1;
  return counts;
}

/** Decided by the worst finding that was not mended. */
export function exitCodeOf(reports: readonly Report[]): ExitCode {
  const open = reports.filter(({ fixed }) => fixed === undefined);
  if (open.some(({ verdict }) => verdict === 'error')) return EXIT.unhealthy;
  return open.some(({ verdict }) => verdict === 'warning') ? EXIT.doubtful : EXIT.ok;
}
