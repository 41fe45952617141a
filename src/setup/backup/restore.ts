import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { makePrivateFolder, writeAtomically } from '../../base/io/write.ts';
import type { Job, JobStep } from '../journal/job.ts';
import type { Service } from '../journal/service.ts';
import { compareVersions } from '../upgrade/versions.ts';
import { type About, ENTRIES, unpack, unpackDatabase, WORK_NAME } from './archive.ts';
import { type BackupSource, type BackupWork, createBackup, sweep } from './create.ts';
import { countUsers, emptyDatabase, restoreDatabase, type TableRows, wasCommitted } from './database.ts';
import { writeObjects } from './objects.ts';
import { restoreSecrets } from './secrets.ts';
import type { Database } from './tools.ts';
import { moveAll, syncAll } from './uploads.ts';

/** What the journal keeps of a restore. */
export interface RestoreData {
  file: string;
  /** Folder of the uploads: the real one, where a link leads to it. */
  uploads: string;
  /** Whether it served before, and has to again. */
  ran: boolean;
  /** Where what was there is kept; undefined: nothing was. */
  kept?: string;
  /** When the backup was made, and what is in it. */
  made?: string;
  tables?: TableRows[];
  /** Where a WEBUI_SECRET_KEY is set that wins over that of the backup, and is another one. */
  keyElsewhere?: string;
  /** Number of the transaction in which the database changed, or was about to. */
  transaction?: string;
}

/** The installation that a backup is restored into. */
export interface RestoreTarget {
  source: () => Promise<BackupSource>;
  service: Service;
}

/** Throws TuneError where people have accounts already, unless they may be replaced. */
export async function refuseOverwrite(database: Database, overwrite: boolean): Promise<void> {
  const users = await countUsers(database);
  if (!users || overwrite) return;
  throw new TuneError(
    `the database at ${database.where} has ${users} ${users === 1 ? 'account' : 'accounts'}, with all that is theirs`,
    EXIT.usage,
    ['--overwrite puts the backup in its place, and saves what is there before; nothing was changed'],
  );
}

/** Puts a backup in the place of what is there. What was there is deleted last, when the new serves. */
export function restoreJob(target: RestoreTarget, what: string): Job<RestoreData> {
  return {
    command: 'restore',
    what,
    steps: [...beforeIt(target), ...filesSteps(), ...databaseSteps(target), ...afterIt(target)],
    forwardFrom: 'database',
    completeFrom: 'clean',
  };
}

function placesOf({ uploads }: RestoreData) {
  const work = join(uploads, WORK_NAME);
  return {
    work,
    /** What the backup has. */
    unpacked: join(work, 'new'),
    /** What was there. */
    old: join(work, 'old'),
    oldSecrets: join(work, 'secrets.env'),
  };
}

function beforeIt({ source, service }: RestoreTarget): JobStep<RestoreData>[] {
  return [
    {
      name: 'unpack',
      do: async (data) => {
        const { work, unpacked } = placesOf(data);
        rmSync(work, { recursive: true, force: true });
        mkdirSync(data.uploads, { recursive: true });
        makePrivateFolder(unpacked);
        const about = await unpack(data.file, unpacked);
        const { openWebui, objects } = await source();
        refuseNewer(data.file, about, openWebui);
        if (existsSync(join(unpacked, ENTRIES.objects)) && !objects) throw lacksStore(data.file);
        syncAll(unpacked);
        return { made: about.made, ...(about.tables && { tables: about.tables }) };
      },
      undo: async (data) => rmSync(placesOf(data).work, { recursive: true, force: true }),
    },
    {
      // While it still serves: what is there is left as it is, and names are never used again.
      name: 'objects',
      do: async (data) => {
        const folder = join(placesOf(data).unpacked, ENTRIES.objects);
        const { objects } = await source();
        if (objects && existsSync(folder)) await writeObjects(objects, folder);
        return undefined;
      },
    },
    {
      name: 'stop',
      do: async () => {
        await service.stop();
        return undefined;
      },
      undo: async ({ ran }) => {
        if (ran) await service.start();
      },
    },
    {
      name: 'save',
      do: async (data) => {
        if (data.kept === undefined) return undefined;
        mkdirSync(dirname(data.kept), { recursive: true, mode: 0o700 });
        await createBackup(await source(), copyWork(data, data.kept), data.kept);
        return undefined;
      },
      undo: async (data) => {
        if (data.kept !== undefined) sweep(copyWork(data, data.kept));
      },
    },
  ];
}

function copyWork(data: RestoreData, kept: string): BackupWork {
  return { folder: join(placesOf(data).work, 'copy'), unfinished: `${kept}.unfinished` };
}

function filesSteps(): JobStep<RestoreData>[] {
  return [
    {
      name: 'old uploads',
      do: async (data) => {
        moveAll(data.uploads, placesOf(data).old);
        return undefined;
      },
      undo: async (data) => moveAll(placesOf(data).old, data.uploads),
    },
    {
      name: 'new uploads',
      do: async (data) => {
        moveAll(join(placesOf(data).unpacked, ENTRIES.uploads), data.uploads);
        return undefined;
      },
      undo: async (data) => moveAll(data.uploads, join(placesOf(data).unpacked, ENTRIES.uploads)),
    },
  ];
}

function databaseSteps({ source }: RestoreTarget): JobStep<RestoreData>[] {
  return [
    {
      name: 'database',
      do: async (data, note) => {
        const { database } = await source();
        if (await isCommitted(database, data)) return undefined;
        const dump = join(placesOf(data).unpacked, ENTRIES.database);
        await restoreDatabase(database, dump, data.tables, (transaction) => note({ transaction }));
        return undefined;
      },
      undo: async (data) => {
        const { database } = await source();
        if (!(await isCommitted(database, data))) return;
        if (data.kept === undefined) return emptyDatabase(database);
        const { work } = placesOf(data);
        const { dump, about } = await unpackDatabase(data.kept, work);
        await restoreDatabase(database, dump, about.tables);
      },
    },
    {
      name: 'secrets',
      do: async (data) => {
        const { oldSecrets, unpacked } = placesOf(data);
        const { secretsFile, key, keyElsewhere } = await source();
        // Those of the first attempt, where this is another one.
        if (existsSync(secretsFile) && !existsSync(oldSecrets)) copyFileSync(secretsFile, oldSecrets);
        const restored = await restoreSecrets(unpacked, secretsFile);
        return keyElsewhere !== undefined && restored !== key ? { keyElsewhere } : undefined;
      },
      undo: async (data) => {
        const { oldSecrets } = placesOf(data);
        const { secretsFile } = await source();
        if (existsSync(oldSecrets)) writeAtomically(secretsFile, readFileSync(oldSecrets, 'utf8'), 0o600);
      },
    },
  ];
}

async function isCommitted(database: Database, { transaction }: RestoreData): Promise<boolean> {
  return transaction !== undefined && (await wasCommitted(database, transaction));
}

function afterIt({ service }: RestoreTarget): JobStep<RestoreData>[] {
  return [
    {
      name: 'start',
      do: async ({ ran }) => {
        if (ran) await service.start();
        return undefined;
      },
      undo: async () => service.stop(),
    },
    {
      name: 'clean',
      do: async (data) => {
        rmSync(placesOf(data).work, { recursive: true, force: true });
        return undefined;
      },
    },
  ];
}

function lacksStore(file: string): TuneError {
  return new TuneError(
    `the uploads of ${file} belong into S3, and STORAGE_PROVIDER is not s3 here`,
    EXIT.settings,
    ['set STORAGE_PROVIDER=s3 and S3_BUCKET_NAME (any bucket) in the env file; nothing was changed'],
  );
}

function refuseNewer(file: string, { openWebui }: About, installed: string): void {
  if (compareVersions(openWebui, installed) <= 0) return;
  throw new TuneError(
    `${file} is of Open WebUI ${openWebui}, and ${installed} is installed: it cannot read that`,
    EXIT.openWebui,
    [`install Open WebUI ${openWebui} first; nothing was changed`],
  );
}
