import { homedir } from 'node:os';
import { createColors } from 'picocolors';
import type { ExitCode } from '../base/errors.ts';
import type { Terminal } from '../base/io/terminal.ts';
import type { Verdict } from '../doctor/check.ts';
import { CHECKS } from '../doctor/checks/index.ts';
import { FACTS } from '../doctor/facts.ts';
import { fixAll } from '../doctor/fix.ts';
import { type DoctorOptions, givenBy } from '../doctor/given.ts';
import { countVerdicts, exitCodeOf, runChecks } from '../doctor/run.ts';
import { doctorReport } from '../doctor/schema.ts';
import { renderDoctor, summaryOf } from '../doctor/text-report.ts';

export interface DoctorCommandOptions extends DoctorOptions {
  json?: boolean;
  fix?: boolean;
  verbose?: boolean;
}

/** Checks everything, fixes what --fix may, and reports. The exit code is that of the worst finding that remains. */
export async function runDoctor(options: DoctorCommandOptions, terminal: Terminal): Promise<ExitCode> {
  const { json = false, fix = false, verbose = false, ...where } = options;
  const env = where.env ?? process.env;
  const outcomes = await FACTS.read(givenBy(where));
  const found = runChecks(CHECKS, outcomes);
  const reports = fix ? await fixAll(found, outcomes, env, env.HOME || homedir()) : found;
  if (json) terminal.out(`${JSON.stringify(doctorReport(reports, outcomes), undefined, 2)}\n`);
  else print(reports, verbose, terminal);
  return exitCodeOf(reports);
}

function print(reports: Parameters<typeof renderDoctor>[0], isVerbose: boolean, terminal: Terminal): void {
  const { out } = terminal;
  // The report goes to stdout, which decides on colours.
  const colors = process.stdout.isTTY ? terminal.colors : createColors(false);
  const paint: Readonly<Record<string, (text: string) => string>> = {
    group: colors.bold,
    ok: colors.green,
    error: colors.red,
    warning: colors.yellow,
    skipped: colors.dim,
    note: colors.cyan,
    detail: colors.dim,
  } satisfies Partial<Record<Verdict | 'group' | 'detail', (text: string) => string>>;
  for (const { kind, text } of renderDoctor(reports, isVerbose)) out(`${paint[kind]?.(text) ?? text}\n`);
  const isFixed = reports.some(({ fixed }) => fixed !== undefined);
  out(`\n${colors.bold(summaryOf(countVerdicts(reports), isFixed))}\n`);
}
