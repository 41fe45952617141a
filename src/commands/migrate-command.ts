import type { CommandContext } from './context.ts';
import type { MigrateCommandOptions } from './migrate.ts';
import { addPlanOptions } from './option-flags.ts';

const HELP = `
Examples:
  $ webui-tune migrate --dry-run
  $ webui-tune migrate
  $ webui-tune migrate --from /srv/open-webui/data
  $ DATABASE_URL=postgresql://… webui-tune migrate
  $ webui-tune migrate --back
  $ webui-tune migrate --done

Carries all data from SQLite to PostgreSQL, and the vectors from Chroma to pgvector, then starts all workers. The old data
is only read. Most is copied while the old server runs; it is stopped for the rest, and started again if anything fails.
Without DATABASE_URL, the target is the PostgreSQL of webui-tune up, which is set up if it is not there.
`;

/** Adds the command; its code is loaded when it runs. */
export function addMigrateCommand({ program, terminal, done }: CommandContext): void {
  const command = program
    .command('migrate')
    .description('carry all data from SQLite and Chroma to PostgreSQL, and start all workers; with an outage')
    .option(
      '--from <path>',
      'data folder or webui.db of the old Open WebUI (default: that of this installation)',
    )
    .option(
      '--to <url>',
      'PostgreSQL to migrate to; better in DATABASE_URL or the env file, where no other user sees its password',
    )
    .option('--dry-run', 'read everything, say what would be carried, how long it takes, and what cannot be')
    .option('--back', 'use SQLite again, if nothing new was written in PostgreSQL')
    .option('--done', 'you do not want to go back: drop the migration’s own tables from PostgreSQL')
    .option('--stopped', 'nobody uses the old data now, on other machines neither')
    .option('--yes', 'ask nothing')
    .option('--json', 'print the result as JSON')
    .option(
      '--service-user <name>',
      'account for PostgreSQL and Valkey, if you are root (default: webui-tune)',
    )
    .option('--torch-index <url>', 'pip index of torch, as for up')
    .option('--wheels <dir>', 'install only from this folder, filled by webui-tune fetch');
  addPlanOptions(command)
    .addHelpText('after', HELP)
    .action(async (options: MigrateCommandOptions) => {
      const { migrate } = await import('./migrate.ts');
      done(await migrate(options, terminal));
    });
}
