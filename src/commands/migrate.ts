import { EXIT, type ExitCode, TuneError } from '../base/errors.ts';
import { addressOf } from '../base/io/address.ts';
import { ask, canAsk } from '../base/io/ask.ts';
import { startProgress } from '../base/io/progress.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { plural } from '../base/units.ts';
import { parseDatabaseUrl } from '../facts/services/urls.ts';
import { change } from '../setup/journal/change.ts';
import { type JobContext, runJob } from '../setup/journal/job.ts';
import { Journal, unfinishedLine } from '../setup/journal/journal.ts';
import { backJob, backOf, requireRecord } from '../setup/migrate/back.ts';
import { endMigration } from '../setup/migrate/done.ts';
import { type MigrateData, migrateJob } from '../setup/migrate/job.ts';
import { migrationOf, reportOf, type Talk } from '../setup/migrate/migration.ts';
import { isManaged, isOfOurs, nameOf, type OldServer } from '../setup/migrate/old-server.ts';
import { estimateOf, type MigrateOptions, type MigrationPlan, planMigration } from '../setup/migrate/plan.ts';
import { formatSeconds } from '../setup/migrate/progress-text.ts';
import { planLines } from '../setup/migrate/report.ts';
import { requireManaged } from '../setup/migrate/stop-old.ts';
import { verificationLines } from '../setup/migrate/verification.ts';
import { serviceStepsOf } from '../setup/up/index.ts';
import { pythonStep } from '../setup/up/python.ts';
import { Setup, type SetupOptions } from '../setup/up/setup.ts';
import { runSteps } from '../setup/up/step.ts';

export interface MigrateCommandOptions extends SetupOptions, MigrateOptions {
  to?: string;
  dryRun?: boolean;
  back?: boolean;
  done?: boolean;
  yes?: boolean;
  json?: boolean;
}

/** Carries the data of an SQLite installation to PostgreSQL, or goes back. Throws TuneError. */
export async function migrate(options: MigrateCommandOptions, terminal: Terminal): Promise<ExitCode> {
  const { from, to, stopped, dryRun, back, done, yes, json, ...given } = options;
  const chosen = Object.entries({ '--dry-run': dryRun, '--back': back, '--done': done }).filter(
    ([, is]) => is,
  );
  if (chosen.length > 1) {
    throw new TuneError(`${chosen.map(([flag]) => flag).join(' and ')} exclude each other`, EXIT.usage);
  }
  // The same as the variable, so that there is one way to name it.
  const env = to === undefined ? {} : { env: { ...process.env, DATABASE_URL: checkedTarget(to) } };
  const setup = new Setup({ ...given, ...env });
  const talk = talkOn(terminal);
  const wanted: Wanted = { from, stopped, yes, json, given };
  try {
    if (dryRun) return await preview(setup, wanted, talk, terminal);
    return await change(setup, talk.tell, (context) => {
      if (back) return goBack(setup, wanted, talk, context);
      return done ? end(setup, wanted, talk) : carry(setup, wanted, { talk, terminal, context });
    });
  } finally {
    talk.progress.end();
  }
}

interface Wanted {
  from: string | undefined;
  stopped: boolean | undefined;
  yes: boolean | undefined;
  json: boolean | undefined;
  /** What resumes it needs the same. */
  given: SetupOptions;
}

function checkedTarget(url: string): string {
  if (parseDatabaseUrl(url)?.scheme === 'postgresql') return url;
  throw new TuneError('--to is not the URL of a PostgreSQL', EXIT.usage, [
    'write it as postgresql://user:password@host:5432/database',
  ]);
}

function talkOn(terminal: Terminal): Talk {
  const progress = startProgress(terminal);
  const tell = (text: string) => {
    progress.end();
    terminal.err(`${terminal.colors.dim(text)}\n`);
  };
  const askToStop = async (commands: readonly string[]) => {
    progress.end();
    for (const command of commands) terminal.err(`now stop the old server: ${command}\n`);
    await ask('Press Enter when it is stopped.');
  };
  return { progress, tell, ...(canAsk() && { askToStop }) };
}

/** Reads everything and changes nothing. */
async function preview(
  setup: Setup,
  { from, stopped, json }: Wanted,
  { progress }: Talk,
  terminal: Terminal,
): Promise<ExitCode> {
  const unfinished = unfinishedLine(new Journal(setup.folder));
  if (unfinished !== undefined) terminal.err(`${unfinished}: webui-tune resume\n`);
  if ((await pythonStep(setup).check()) === undefined) {
    throw new TuneError('Open WebUI is not installed, so nothing can read the old data yet', EXIT.openWebui, [
      'without --dry-run it is installed first; or name one: --python /path/to/venv',
    ]);
  }
  const plan = await planMigration(setup, optionsOf(from, stopped), progress);
  terminal.out(json ? `${JSON.stringify(summaryOf(plan), undefined, 2)}\n` : textOf(planLines(plan)));
  return EXIT.ok;
}

function optionsOf(from: string | undefined, stopped: boolean | undefined): MigrateOptions {
  return { ...(from !== undefined && { from }), ...(stopped !== undefined && { stopped }) };
}

interface Carrying {
  talk: Talk;
  terminal: Terminal;
  context: JobContext;
}

async function carry(
  setup: Setup,
  { from, stopped, yes, json, given }: Wanted,
  { talk, terminal, context }: Carrying,
): Promise<ExitCode> {
  const { tell, progress } = talk;
  await runSteps(
    [pythonStep(setup)],
    ({ name, text, state }) => (state === 'right' ? undefined : tell(`${name}: ${text}`)),
    (step, text) => progress.tell({ step: step.name, text }),
  );
  progress.end();
  const plan = await planMigration(setup, optionsOf(from, stopped), progress);
  progress.end();
  if (!canAsk()) requireManaged(plan.servers, plan.data.source);
  for (const line of planLines(plan)) terminal.err(`${line}\n`);
  if (!yes && !(await confirm(questionOf(plan)))) return EXIT.ok;
  const job = migrateJob(
    migrationOf(setup, talk, plan.key?.value),
    `the migration of ${plan.data.source}`,
    tell,
  );
  const started = performance.now();
  const data = { ...plan.data, options: { ...given, cwd: process.cwd() } };
  const done = await runJob<MigrateData>(job, data, context).catch((error: unknown) => {
    if (context.journal.read()) throw error;
    throw failed(plan, error);
  });
  tellEnd(done, terminal);
  const rows = done.verification?.rows ?? [];
  terminal.out(
    json
      ? `${JSON.stringify({ ...summaryOf(plan), seconds: (performance.now() - started) / 1000, outageSeconds: (done.outage ?? 0) / 1000, verified: rows, findings: done.findings ?? 0, report: reportOf(done) }, undefined, 2)}\n`
      : textOf(verificationLines({ rows })),
  );
  terminal.err(`Open WebUI serves: ${addressOf((await setup.tuned()).plan)}\n`);
  return EXIT.ok;
}

function tellEnd({ old, outage, findings = 0, ...data }: MigrateData, terminal: Terminal): void {
  if (outage !== undefined && old.length > 0) {
    terminal.err(`the outage took ${formatSeconds(outage / 1000)}\n`);
  }
  if (findings > 0) {
    terminal.err(`${findings} lines on what could not be carried as it is: ${reportOf(data)}\n`);
  }
  for (const command of bootCommands(old)) {
    terminal.err(`so that it does not start at the next boot, once you do not need --back: ${command}\n`);
  }
  terminal.err(
    `the old data is as it was: ${data.source}; webui-tune migrate --back uses it again. Once you do not need that: --done\n`,
  );
}

/** What keeps the old server from coming back beside the new one. */
function bootCommands(old: readonly OldServer[]): string[] {
  return old.flatMap((server) => {
    if (server.kind === 'unit') {
      return [`systemctl${server.ofUser ? ' --user' : ''} disable ${server.unit}`];
    }
    return server.kind === 'pm2' && !isOfOurs(server) ? [`pm2 delete ${server.apps.join(' ')}`] : [];
  });
}

function failed({ servers, data }: MigrationPlan, error: unknown): TuneError {
  const reason = error instanceof Error ? error.message : String(error);
  const serves =
    servers.length === 0 ? 'nothing was changed' : `${servers.map(nameOf).join(', ')} serves again`;
  const mends = error instanceof TuneError ? error.mend : [];
  return new TuneError(
    `the migration failed; ${servers.every(isManaged) ? serves : 'start the old server again'}.\n${reason}`,
    error instanceof TuneError ? error.exitCode : EXIT.service,
    [...mends, `${data.source} is as it was; what was copied is kept for the next run of webui-tune migrate`],
  );
}

async function confirm(question: string): Promise<boolean> {
  if (!canAsk()) {
    throw new TuneError('nobody is there to ask whether to go on', EXIT.usage, [
      'the same command with --yes does it',
    ]);
  }
  return /^(?:|y|yes)$/i.test(await ask(`${question} [Y/n]`));
}

function questionOf(plan: MigrationPlan): string {
  const { outage } = estimateOf(plan);
  return outage > 0 ? `Go on? Open WebUI will be away for about ${formatSeconds(outage)}.` : 'Go on?';
}

async function goBack(
  setup: Setup,
  { given }: Wanted,
  { tell }: Talk,
  context: JobContext,
): Promise<ExitCode> {
  const record = requireRecord(setup);
  await runSteps(
    serviceStepsOf(setup),
    () => {},
    () => {},
  );
  const data = { record, options: { ...given, cwd: process.cwd() } };
  await runJob(backJob(backOf(setup, tell), `the way back to ${record.source}`), data, context);
  tell(`Open WebUI uses ${record.source} again`);
  return EXIT.ok;
}

/** PostgreSQL runs by then, as for the way back. */
async function end(setup: Setup, { yes }: Wanted, { tell }: Talk): Promise<ExitCode> {
  const { source } = requireRecord(setup);
  const question = `webui-tune migrate --back will not go back to ${source} any more. Go on?`;
  if (!yes && !(await confirm(question))) return EXIT.ok;
  await runSteps(
    serviceStepsOf(setup),
    () => {},
    () => {},
  );
  const dropped = await endMigration(setup);
  tell(
    `dropped ${plural(dropped, 'table')} of the migration. ${source} is as it was: delete it when you like`,
  );
  return EXIT.ok;
}

function summaryOf(plan: MigrationPlan): object {
  const { data, target, look, vectors, files, servers, findings, resumed } = plan;
  const { seconds, outage } = estimateOf(plan);
  return {
    source: data.source,
    target,
    resumed,
    isOlder: data.isOlder,
    tables: look.tables,
    collections: vectors.collections,
    files,
    servers: servers.map(nameOf),
    problems: look.problems,
    findings,
    estimate: { seconds, outageSeconds: outage },
  };
}

function textOf(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}
