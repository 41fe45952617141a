import { join } from 'node:path';
import { endInOrder } from '../../base/io/interrupts.ts';
import { holdLock } from '../../base/io/lock.ts';
import { startProgress } from '../../base/io/progress.ts';
import { realTerminal } from '../../base/io/terminal.ts';
import { makePrivateFolder, removeEmptyFolders } from '../../base/io/write.ts';
import { type BackupData, backupJob } from '../backup/create.ts';
import { type RestoreData, restoreJob } from '../backup/restore.ts';
import { sourceOf } from '../backup/source.ts';
import { type BackData, backJob, backOf } from '../migrate/back.ts';
import { type MigrateData, migrateJob } from '../migrate/job.ts';
import { migrationOf } from '../migrate/migration.ts';
import { serviceOf, withServices } from '../up/service.ts';
import { Setup, type SetupOptions } from '../up/setup.ts';
import { type UpgradeData, upgradeJob } from '../upgrade/job.ts';
import { upgradeTarget } from '../upgrade/target.ts';
import { type JobContext, resumeJob } from './job.ts';
import { Journal, type JournalEntry } from './journal.ts';

/** Runs `work` while nobody else changes this user's installations. Throws TuneError that says who does. */
export async function alone<T>(setup: Setup, work: () => Promise<T>): Promise<T> {
  const made = makePrivateFolder(setup.folder);
  try {
    return await holdLock(join(setup.folder, 'lock'), 'another webui-tune changes this installation', work);
  } finally {
    // Work that changed nothing leaves nothing.
    if (made !== undefined) removeEmptyFolders(setup.folder, made);
  }
}

/** The same for work that is ended in order, once that is completed or undone which an earlier command was cut short in. */
export function change<T>(
  setup: Setup,
  tell: (text: string) => void,
  work: (context: JobContext) => Promise<T>,
): Promise<T> {
  return alone(setup, () =>
    endInOrder(async (interrupts) => {
      const context = { journal: new Journal(setup.folder), interrupts, tell };
      await resume(setup, context);
      return work(context);
    }),
  );
}

async function resume(setup: Setup, context: JobContext): Promise<void> {
  const entry = context.journal.read();
  if (!entry) return;
  context.tell(`${entry.what}, begun at ${entry.begun}, was interrupted (${entry.step})`);
  const outcome = await RESUME[entry.command](setup, entry, context);
  context.tell(`${entry.what} is ${outcome}`);
  setup.changed();
}

type Resume = (setup: Setup, entry: JournalEntry, context: JobContext) => Promise<'completed' | 'undone'>;

const RESUME: Readonly<Record<JournalEntry['command'], Resume>> = {
  backup: (setup, entry, context) =>
    withServices(setup, () =>
      resumeJob<BackupData>(
        backupJob(() => sourceOf(setup), entry.what),
        entry,
        context,
      ),
    ),
  restore: (setup, entry, context) =>
    withServices(setup, () =>
      resumeJob<RestoreData>(
        restoreJob({ source: () => sourceOf(setup), service: serviceOf(setup) }, entry.what),
        entry,
        context,
      ),
    ),
  upgrade: async ({ env }, entry, context) => {
    const setup = begun({ env }, entry);
    const target = upgradeTarget(setup);
    const job = upgradeJob(target, entry.what, context.tell);
    // Somebody, or a boot, may have started the new version since: what is written with it must not be lost.
    const isServed = await target.serves(String(entry.data.to)).catch(() => false);
    const step = isServed && !entry.undoing ? 'start' : entry.step;
    return resumeJob<UpgradeData>(job, { ...entry, step }, context);
  },
  migrate: (setup, entry, context) => resumeMigration(begun(setup, entry), entry, context),
  'migrate back': ({ env }, entry, context) => {
    const setup = begun({ env }, entry);
    return resumeJob<BackData>(backJob(backOf(setup, context.tell), entry.what), entry, context);
  },
};

/** With the options that it was begun with. */
function begun({ env }: Pick<Setup, 'env'>, { data }: JournalEntry): Setup {
  const setup = new Setup({ ...(data.options as SetupOptions), env });
  // It is, where it was migrated.
  setup.hasOpenWebui = true;
  return setup;
}

async function resumeMigration(setup: Setup, entry: JournalEntry, context: JobContext) {
  const progress = startProgress(realTerminal());
  const job = migrateJob(migrationOf(setup, { tell: context.tell, progress }), entry.what, context.tell);
  return resumeJob<MigrateData>(job, entry, context).finally(() => progress.end());
}
