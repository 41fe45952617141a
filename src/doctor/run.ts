import { EXIT, type ExitCode } from '../base/errors.ts';
import { type Check, type Finding, skipped, VERDICTS, type Verdict } from './check.ts';
import type { FactName, Facts, Outcomes } from './facts.ts';

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
    return [skipped(`${NAMES[name]}: ${message.split('\n', 1)[0]}`)];
  }
  const entries = [...check.needs, ...check.uses].map((name) => {
    const outcome = outcomes[name];
    return [name, outcome.state === 'known' ? outcome.value : undefined];
  });
  return check.run(Object.fromEntries(entries) as Facts);
}

/** What is missing where a fact is, for people. */
export const NAMES: Readonly<Record<FactName, string>> = {
  ecosystem: 'there is no readable ecosystem file',
  viewpoint: 'the options cannot be used',
  interpreter: 'there is no usable Open WebUI',
  expected: 'Open WebUI’s own code cannot be read',
  installation: 'the settings cannot be read',
  effective: 'the settings cannot be read',
  workers: 'nobody knows how many workers there are to be',
  services: 'the services cannot be asked',
  machine: 'the machine cannot be read',
  database: 'the database setting is wrong',
  redis: 'the Redis setting is wrong',
  chroma: 'Chroma cannot be asked',
  broker: 'Redis cannot be asked',
  schema: 'the database cannot be asked',
  plan: 'there is no plan',
  port: 'nobody knows the port',
  files: 'the files cannot be looked at',
  pm2: 'PM2 cannot be asked',
  cluster: 'the cluster cannot be looked at',
  crossing: 'no message could be sent',
  isOfUp: 'nobody knows who has made it',
  trials: 'no worker can be asked',
  models: 'nobody can look for models',
  requirements: 'nobody knows what tools ask for',
  engines: 'nobody knows what documents go through',
  proxy: 'the public address cannot be looked at',
};

export type Counts = Readonly<Record<Verdict, number>>;

export function countVerdicts(reports: readonly Report[]): Counts {
  const counts = Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0])) as Record<Verdict, number>;
  for (const { verdict } of reports) counts[verdict] += 1;
  return counts;
}

/** By the worst finding that is not mended. */
export function exitCodeOf(reports: readonly Report[]): ExitCode {
  const open = reports.filter(({ fixed }) => fixed === undefined);
  if (open.some(({ verdict }) => verdict === 'error')) return EXIT.unhealthy;
  return open.some(({ verdict }) => verdict === 'warning') ? EXIT.doubtful : EXIT.ok;
}
