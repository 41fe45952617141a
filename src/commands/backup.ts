import { randomBytes } from 'node:crypto';
import { basename, dirname, join, resolve } from 'node:path';
import { EXIT, type ExitCode, TuneError } from '../base/errors.ts';
import { freeBytes } from '../base/io/disk-space.ts';
import { statOrUndefined } from '../base/io/stat.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { formatBytes, plural } from '../base/units.ts';
import { WHEN } from '../runtime/backups/due.ts';
import type { Schedule } from '../runtime/backups/state.ts';
import { type BackupData, backupJob, lackingIn, refuseExisting } from '../setup/backup/create.ts';
import { countUsers } from '../setup/backup/database.ts';
import { refuseOverwrite, restoreJob } from '../setup/backup/restore.ts';
import { requireRoom } from '../setup/backup/room.ts';
import { makeScheduled, setSchedule } from '../setup/backup/scheduled.ts';
import { sourceOf } from '../setup/backup/source.ts';
import { startTimer, stopTimer } from '../setup/backup/timer.ts';
import { alone, change } from '../setup/journal/change.ts';
import { runJob } from '../setup/journal/job.ts';
import { isRunning, serviceOf, withServices } from '../setup/up/service.ts';
import { Setup } from '../setup/up/setup.ts';

export interface BackupOptions {
  schedule?: Schedule | 'off';
  /** Folder of the scheduled ones. */
  to?: string;
}

/** Saves everything in one file, or has that done at certain times. */
export async function backup(
  name: string | undefined,
  { schedule, to }: BackupOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  if (name !== undefined && (schedule ?? to) !== undefined) {
    throw new TuneError('a file is for one backup, and --schedule for many', EXIT.usage, [
      'webui-tune backup --schedule --to FOLDER',
    ]);
  }
  if (to !== undefined && (schedule === undefined || schedule === 'off')) {
    throw new TuneError('--to is the folder of a schedule', EXIT.usage, [
      'webui-tune backup --schedule --to FOLDER',
    ]);
  }
  const setup = setUp();
  if (schedule !== undefined) return keepSchedule(setup, schedule, to, terminal);
  if (name !== undefined) return makeBackup(setup, resolve(name), terminal);
  const { made, kept } = await makeScheduled(setup, teller(terminal));
  warnOf(made.lacking, terminal);
  terminal.err(
    `saved: ${formatBytes(made.bytes)} in ${made.seconds} s; it was restored to try; ${plural(kept, 'backup')} kept\n`,
  );
  terminal.out(`${made.file}\n`);
  return EXIT.ok;
}

async function keepSchedule(
  setup: Setup,
  schedule: Schedule | 'off',
  to: string | undefined,
  terminal: Terminal,
): Promise<ExitCode> {
  const { folder } = await alone(setup, async () => {
    // What cannot be backed up is said now, and not at night.
    if (schedule !== 'off') warnOf((await sourceOf(setup)).elsewhere, terminal);
    const state = await setSchedule(setup, schedule === 'off' ? undefined : schedule, to);
    if (schedule === 'off') await stopTimer(setup);
    return state;
  });
  if (schedule === 'off') {
    terminal.err(`no more backups are made by themselves; those in ${folder} stay\n`);
    return EXIT.ok;
  }
  await startTimer(setup);
  terminal.err(
    `backups: ${WHEN[schedule]}, the first one now; 7 days, 4 weeks and 6 months are kept\n` +
      `${formatBytes(freeBytes(folder))} are free there; webui-tune status shows the last one\n`,
  );
  terminal.out(`${folder}\n`);
  return EXIT.ok;
}

/** Saves everything in one file; it may all be running. */
async function makeBackup(setup: Setup, file: string, terminal: Terminal): Promise<ExitCode> {
  const { uploads, lacking } = await change(setup, teller(terminal), (context) =>
    withServices(setup, async () => {
      refuseExisting(file);
      const unfinished = join(
        dirname(file),
        `.${basename(file)}.${randomBytes(4).toString('hex')}.unfinished`,
      );
      const data = { file, folder: join(setup.folder, 'backup'), unfinished };
      const source = await sourceOf(setup);
      warnOf(source.elsewhere, terminal);
      await requireRoom(source, data);
      const job = backupJob(() => sourceOf(setup), `the backup to ${file}`);
      const done = await runJob<BackupData>(job, data, context);
      return { uploads: done.uploads, lacking: lackingIn(done, source) };
    }),
  );
  warnOf(lacking, terminal);
  const size = formatBytes(statOrUndefined(file)?.size ?? 0);
  terminal.err(
    `saved: the database, ${plural(uploads ?? 0, 'upload')} and the key, ${size}; it was restored to try\n`,
  );
  terminal.out(`${file}\n`);
  return EXIT.ok;
}

/** Puts a backup in the place of what is there, and starts what ran before. */
export async function restore(
  name: string,
  { overwrite = false }: { overwrite?: boolean },
  terminal: Terminal,
): Promise<ExitCode> {
  const setup = setUp();
  const file = resolve(name);
  if (!statOrUndefined(file)) throw new TuneError(`there is no ${file}`, EXIT.usage);
  const ran = await change(setup, teller(terminal), (context) =>
    withServices(setup, async () => {
      const { database, uploads } = await sourceOf(setup);
      await refuseOverwrite(database, overwrite);
      const isNew = (await countUsers(database)) === undefined;
      const kept = join(
        setup.folder,
        'backups',
        `before-restore-${new Date().toISOString().replaceAll(':', '-')}.tar`,
      );
      const done = await runJob(
        restoreJob({ source: () => sourceOf(setup), service: serviceOf(setup) }, `the restore of ${file}`),
        { file, uploads, ran: await isRunning(setup), ...(!isNew && { kept }) },
        context,
      );
      if (done.kept !== undefined) terminal.err(`what was there is kept in ${done.kept}\n`);
      terminal.err(`restored: as it was at ${done.made}\n`);
      if (done.keyElsewhere !== undefined) {
        const warning = `WEBUI_SECRET_KEY in ${done.keyElsewhere} is another one than that of the backup, and wins`;
        terminal.err(`${terminal.colors.yellow('warning:')} ${warning}: everybody has to sign in again\n`);
      }
      return done.ran;
    }),
  );
  terminal.err(ran ? 'it serves again\n' : 'webui-tune up starts it\n');
  return EXIT.ok;
}

/** Completes or undoes what an earlier command was cut short in. */
export async function resume(terminal: Terminal): Promise<ExitCode> {
  let told = false;
  await change(
    new Setup({}),
    (text) => {
      told = true;
      teller(terminal)(text);
    },
    async () => {},
  );
  if (!told) terminal.err('nothing is half done\n');
  return EXIT.ok;
}

function warnOf(lacking: string | undefined, { err, colors }: Terminal): void {
  if (lacking !== undefined) err(`${colors.yellow('warning:')} ${lacking}\n`);
}

function teller({ err, colors }: Terminal): (text: string) => void {
  return (text) => err(`${colors.dim(text)}\n`);
}

function setUp(): Setup {
  const setup = new Setup({});
  if (setup.remembered.planned) return setup;
  throw new TuneError('nothing is set up yet', EXIT.service, ['webui-tune up']);
}
