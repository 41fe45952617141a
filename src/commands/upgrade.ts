import { existsSync } from 'node:fs';
import { EXIT, type ExitCode, TuneError } from '../base/errors.ts';
import { ask, canAsk } from '../base/io/ask.ts';
import type { Terminal } from '../base/io/terminal.ts';
import type { SetupOptions } from '../setup/up/setup.ts';
import type { UpgradeData } from '../setup/upgrade/job.ts';
import type { CommandContext } from './context.ts';

interface UpgradeOptions extends SetupOptions {
  yes?: boolean;
  dryRun?: boolean;
  rehearsal: boolean;
}

const HELP = `
Examples:
  $ webui-tune upgrade 0.12.5
  $ webui-tune upgrade 0.12.5 --dry-run
  $ webui-tune upgrade --yes            the version that pip has installed meanwhile

The new version is installed into a copy of the virtual environment and tried on a copy of the data, while the
old one serves. Then the workers are stopped, the database is backed up and migrated once, the workers are started:
never do two versions serve one database. Where the new version does not start, the old environment and the
database are put back.
`;

/** Adds the command; its code is loaded when it runs. */
export function addUpgradeCommand({ program, terminal, done }: CommandContext): void {
  program
    .command('upgrade [version]')
    .description('go to another version of Open WebUI, and back if it does not start; with an outage')
    .option('--python <path>', 'interpreter or virtual environment of Open WebUI')
    .option('--env-file <file>', 'settings of Open WebUI (default: open-webui.env)')
    .option('--host <address>', 'address that it listens on, as planned')
    .option('--port <port>', 'port that it listens on, as planned', Number)
    .option('--yes', 'ask nothing')
    .option('--no-rehearsal', 'do not try the new version on a copy of the data first')
    .option('--dry-run', 'say what would change, do nothing')
    .addHelpText('after', HELP)
    .action(async (version: string | undefined, options: UpgradeOptions) =>
      done(await runUpgrade(version, options, terminal)),
    );
}

async function runUpgrade(
  version: string | undefined,
  { yes, dryRun, rehearsal, ...options }: UpgradeOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const [
    { Setup },
    { planUpgrade },
    { RehearsalError },
    { upgradeJob },
    { upgradeTarget },
    { change },
    { runJob },
  ] = await Promise.all([
    import('../setup/up/setup.ts'),
    import('../setup/upgrade/plan.ts'),
    import('../setup/upgrade/rehearsal.ts'),
    import('../setup/upgrade/job.ts'),
    import('../setup/upgrade/target.ts'),
    import('../setup/journal/change.ts'),
    import('../setup/journal/job.ts'),
  ]);
  const setup = new Setup(options);
  const tell = (text: string) => terminal.err(`${terminal.colors.dim(text)}\n`);
  return change(setup, tell, async (context) => {
    const planned = await planUpgrade(await setup.tuned(), setup, { wanted: version, rehearsal });
    const { from, to } = planned;
    for (const line of describe(planned)) terminal.err(`${line}\n`);
    if (dryRun) return EXIT.ok;
    if (!yes && !(await confirm())) return EXIT.ok;
    // What resumes it may be run from another folder.
    const data = { ...planned, options: { ...options, cwd: process.cwd() } };
    const job = upgradeJob(upgradeTarget(setup), `the upgrade to ${to}`, tell);
    await runJob<UpgradeData>(job, data, context).catch((error: unknown) => {
      if (context.journal.read() || error instanceof RehearsalError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new TuneError(`the upgrade to ${to} failed; ${from} serves again.\n${reason}`, EXIT.service, [
        ...(existsSync(planned.folder) ? [`what was backed up is in ${planned.folder}`] : []),
      ]);
    });
    terminal.err(`Open WebUI ${to} serves; plan anew where it has new needs: webui-tune\n`);
    return EXIT.ok;
  });
}

function describe({ from, to, changes, installed, rehearsal, environment, python }: UpgradeData): string[] {
  return [
    `Open WebUI ${from} → ${to}${installed ? ' (installed already)' : ''}`,
    ...changes.map(({ name, from: old, to: target }) => `  ${name} ${old ?? '–'} → ${target}`),
    ...(installed ? [] : [whereInstalled(from, python, environment)]),
    rehearsal === undefined
      ? `no rehearsal: the outage begins once all is fetched`
      : `first a rehearsal: ${to} is tried on a copy of the data, while ${from} serves`,
  ];
}

function whereInstalled(from: string, python: string, environment: string | undefined): string {
  return environment === undefined
    ? `pip changes the packages of ${python} in the outage`
    : `pip works in a copy of ${environment}, while ${from} serves`;
}

async function confirm(): Promise<boolean> {
  if (!canAsk()) {
    throw new TuneError('nobody is there to ask whether to stop the workers', EXIT.usage, [
      'webui-tune upgrade --yes does it; --dry-run only says what would change',
    ]);
  }
  return /^(?:|y|yes)$/i.test(await ask('The workers are stopped meanwhile. Go on? [Y/n]'));
}
