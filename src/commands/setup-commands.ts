import type { CommandContext } from './context.ts';
import type { DownOptions } from './down.ts';
import type { FetchOptions } from './fetch.ts';
import type { UpOptions } from './up.ts';

/**
 * The commands of a whole installation. Their code is loaded when one of them runs: the others start in the time that
 * they always did.
 */
export function addSetupCommands({ program, addPlanOptions, terminal, done }: CommandContext): void {
  addPlanOptions(
    program
      .command('up')
      .description(
        'install what is missing, start it, and wait until it serves; run again, it mends what is not right',
      )
      .option('--static-cache', 'take --no-static-cache back')
      .option('--shortcuts', 'take --no-shortcuts back'),
  )
    .option('--yes', 'ask nothing (without a terminal nothing is asked anyway)')
    .option('--use-found', 'use a Redis that answers on 127.0.0.1:6379')
    .option('--dry-run', 'list every step, do nothing')
    .option('--admin-email <address>', 'make this administrator; its password is drawn and kept (0600)')
    .option(
      '--service-user <name>',
      'as root: account that PostgreSQL and Valkey run as (default: webui-tune)',
    )
    .option(
      '--torch-index <url>',
      'pip index of torch; default: pip’s own (default: a CPU build, without a GPU: PyTorch’s index, else pip’s)',
    )
    .option('--wheels <dir>', 'install from this folder alone, which webui-tune fetch has filled')
    .option('--startup', 'bring it back when the machine boots (pm2 startup, pm2 save)')
    .addHelpText('after', UP_HELP)
    .action(async (options: UpOptions) => {
      const { bringUp } = await import('./up.ts');
      done(await bringUp(options, terminal));
    });
  program
    .command('fetch')
    .argument('<dir>', 'a folder; what is in it already is kept')
    .option('--python <path>', 'fetch for this Python 3.11 or 3.12 (default: the one that up would use)')
    .option('--torch-index <url>', 'as for up')
    .description('fetch all that up --wheels needs, for machines like this one that have no network')
    .action(async (folder: string, options: FetchOptions) => {
      const { fetchWheels } = await import('./fetch.ts');
      done(await fetchWheels(folder, options, terminal));
    });
  program
    .command('down')
    .description('stop all that up has started; the data stays, unless --purge is given')
    .option('--purge', 'delete all that up has made: data, services, environments, caches, accounts')
    .option('--yes', 'with --purge: ask nothing')
    .action(async (options: DownOptions) => {
      const { bringDown } = await import('./down.ts');
      done(await bringDown(options, terminal));
    });
  program
    .command('status')
    .description('show what runs, and where everything is; exit code 7 where it does not serve')
    .action(async (options: object) => {
      const { showStatus } = await import('./status.ts');
      done(await showStatus(options, terminal));
    });
  program
    .command('backup')
    .argument('<file>', 'a new file')
    .description('save the database, the uploads and the key in one file; it may all be running')
    .action(async (file: string) => {
      const { makeBackup } = await import('./backup.ts');
      done(await makeBackup(file, terminal));
    });
  program
    .command('restore')
    .argument('<file>', 'what backup has written')
    .option('--overwrite', 'replace what is there; it is saved before')
    .description('put a backup in its place; what has accounts is not overwritten without a word')
    .action(async (file: string, options: { overwrite?: boolean }) => {
      const { restore } = await import('./backup.ts');
      done(await restore(file, options, terminal));
    });
}

const UP_HELP = `
Examples:
  $ webui-tune up
  $ webui-tune up --yes --admin-email you@example.org
  $ webui-tune up --dry-run
  $ webui-tune up --port 3000 --workers 4
  $ DATABASE_URL=postgresql://… REDIS_URL=redis://… webui-tune up

What you say holds until you say something else. It asks once whether to go on, and for the administrator's address;
without a terminal (a script, CI, npm start | tee log) it lists the steps and goes on.

Where DATABASE_URL or REDIS_URL is not set, PostgreSQL and Valkey come from PyPI and run under PM2, on 127.0.0.1, with
their data in $XDG_DATA_HOME/webui-tune. A PostgreSQL or a Redis that answers at its usual port of 127.0.0.1 is only named.
`;
