import { join } from 'node:path';
import { EXIT, type ExitCode, TuneError } from '../base/errors.ts';
import { ask, canAsk } from '../base/io/ask.ts';
import { holdLock } from '../base/io/lock.ts';
import type { Terminal } from '../base/io/terminal.ts';
import type { SetupOptions } from '../setup/up/setup.ts';
import type { Installation, UpgradePlan } from '../setup/upgrade/index.ts';
import type { CommandContext } from './context.ts';

interface UpgradeOptions extends SetupOptions {
  yes?: boolean;
  dryRun?: boolean;
}

const HELP = `
Examples:
  $ webui-tune upgrade 0.12.5
  $ webui-tune upgrade 0.12.5 --dry-run
  $ webui-tune upgrade --yes            the version that pip has installed meanwhile

The workers are stopped, the database is backed up and migrated once, the workers are started: never do two versions
serve one database. Where the new version does not start, the old packages and the database are put back.
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
    .option('--dry-run', 'say what would change, do nothing')
    .addHelpText('after', HELP)
    .action(async (version: string | undefined, options: UpgradeOptions) =>
      done(await runUpgrade(version, options, terminal)),
    );
}

async function runUpgrade(
  version: string | undefined,
  { yes, dryRun, ...options }: UpgradeOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const [{ Setup }, { planUpgrade, upgrade }] = await Promise.all([
    import('../setup/up/setup.ts'),
    import('../setup/upgrade/index.ts'),
  ]);
  const setup = new Setup(options);
  const { plan, settings } = await setup.tuned();
  const lock = join(plan.places.dataDir, '.upgrade.lock');
  return holdLock(lock, 'another webui-tune upgrades this installation', async () => {
    const installation: Installation = {
      plan,
      settings,
      pm2: await setup.pm2(),
      env: setup.env,
      services: setup.services,
    };
    const planned = await planUpgrade(installation, version);
    for (const line of describe(planned)) terminal.err(`${line}\n`);
    if (dryRun) return EXIT.ok;
    if (!yes && !(await confirm())) return EXIT.ok;
    await upgrade(installation, planned, (text) => terminal.err(`${terminal.colors.dim(text)}\n`));
    terminal.err(`Open WebUI ${planned.to} serves; plan anew where it has new needs: webui-tune\n`);
    return EXIT.ok;
  });
}

function describe({ from, to, changes, installed }: UpgradePlan): string[] {
  return [
    `Open WebUI ${from} → ${to}${installed ? ' (installed already)' : ''}`,
    ...changes.map(({ name, from: old, to: target }) => `  ${name} ${old ?? '–'} → ${target}`),
  ];
}

async function confirm(): Promise<boolean> {
  if (!canAsk()) {
    throw new TuneError('nobody is there to ask whether to stop the workers', EXIT.usage, [
      'webui-tune upgrade --yes does it; --dry-run only says what would change',
    ]);
  }
  return /^(?:|y|yes)$/i.test(await ask('The workers are stopped meanwhile. Go on? [Y/n]'));
}
