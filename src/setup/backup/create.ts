import { existsSync, linkSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import { flushFolder, makePrivateFolder } from '../../base/io/write.ts';
import { Pacer } from '../../base/machine/pacer.ts';
import { plural } from '../../base/units.ts';
import type { Job } from '../journal/job.ts';
import { ENTRIES, pack } from './archive.ts';
import { dumpDatabase, proveDump, storedPaths, type TableRows } from './database.ts';
import { keyOf, type ObjectStore, readObjects } from './objects.ts';
import type { Database } from './tools.ts';

/** What a backup is of. */
export interface BackupSource {
  database: Database;
  /** Version of Open WebUI. */
  openWebui: string;
  uploads: string;
  /** Where uploads are put, if that is S3. */
  objects?: ObjectStore;
  /** Uploads that cannot be backed up: where they are, in words. */
  elsewhere?: string;
  secretsFile: string;
  /** WEBUI_SECRET_KEY, wherever it comes from. */
  key: string | undefined;
  /** Where that comes from, if it is not in the secrets file. */
  keyElsewhere?: string;
}

/** Where a backup is made: all of it is removed when it is made, or could not be. */
export interface BackupWork {
  /** Folder of temporary files. */
  folder: string;
  /** The archive until it is complete, beside the file that it will be. */
  unfinished: string;
}

/**
 * Dumps the database, and proves that the dump can be restored. It goes before the uploads: a document that is uploaded
 * meanwhile is then a file too much, not one too few. Throws TuneError.
 */
export async function dump({ database }: BackupSource, { folder }: BackupWork): Promise<TableRows[]> {
  makePrivateFolder(folder);
  const file = join(folder, ENTRIES.database);
  const pacer = new Pacer();
  const tables = await dumpDatabase(database, file, { pacer });
  await proveDump(database, file, tables, pacer);
  return tables;
}

/** What is in a backup beside the database. */
export interface Packed {
  uploads: number;
  /** Objects that the database names, and that the object store does not have. */
  missing: number;
  /** Names of uploads that changed whenever they were read. */
  changed: string[];
}

/** Packs the dump with all else, and reads it back. Throws TuneError. */
export async function packAll(
  { database, openWebui, uploads, objects: store, secretsFile, key }: BackupSource,
  { folder, unfinished }: BackupWork,
  tables: TableRows[],
): Promise<Packed> {
  const about = { format: 2, made: new Date().toISOString(), openWebui, tables } as const;
  let missing = 0;
  const objects = store && readObjects(store, keysIn(database), () => missing++);
  try {
    const contents = {
      ...{ about, dump: join(folder, ENTRIES.database), key, secretsFile, uploads },
      ...(objects && { objects }),
    };
    const { count, changed } = await pack(unfinished, contents);
    return { uploads: count, missing, changed };
  } catch (error) {
    const reasons: Readonly<Record<string, string>> = {
      ENOSPC: 'no space left',
      ENOENT: 'the folder does not exist',
      EACCES: 'permission denied',
    };
    const code = systemCode(error);
    if (code === undefined) throw error;
    const at = error instanceof Error && 'path' in error ? String(error.path) : unfinished;
    const what = at === unfinished ? `${unfinished} cannot be written` : `${at} cannot be read`;
    throw new TuneError(`${what}: ${reasons[code] ?? code}`, EXIT.output);
  }
}

async function* keysIn(database: Database): AsyncGenerator<string> {
  for await (const path of storedPaths(database)) yield keyOf(path);
}

/** Gives the archive its name, unless there is something of that name. Throws TuneError. */
export function nameBackup({ unfinished }: BackupWork, file: string): void {
  refuseExisting(file);
  try {
    linkSync(unfinished, file);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') refuseExisting(file);
    // A file system without hard links.
    renameSync(unfinished, file);
  }
  flushFolder(dirname(file));
}

/** Removes what the making of a backup leaves. */
export function sweep({ folder, unfinished }: BackupWork): void {
  rmSync(unfinished, { force: true });
  rmSync(folder, { recursive: true, force: true });
}

/** All of it in one go. */
export async function createBackup(source: BackupSource, work: BackupWork, file: string): Promise<void> {
  try {
    await packAll(source, work, await dump(source, work));
    nameBackup(work, file);
  } finally {
    sweep(work);
  }
}

/** What the journal keeps of a backup. */
export interface BackupData extends BackupWork, Partial<Packed> {
  file: string;
  tables?: TableRows[];
}

/** Writes a backup. Cut short, it is as if it had never been begun, or as if it was complete. */
export function backupJob(source: () => Promise<BackupSource>, what: string): Job<BackupData> {
  return {
    command: 'backup',
    what,
    steps: [
      {
        name: 'dump',
        do: async (data) => ({ tables: await dump(await source(), data) }),
        undo: async (data) => sweep(data),
      },
      {
        name: 'pack',
        do: async (data) => packAll(await source(), data, data.tables ?? []),
      },
      {
        name: 'name',
        do: async (data) => {
          nameBackup(data, data.file);
          sweep(data);
          return undefined;
        },
      },
    ],
  };
}

export function refuseExisting(file: string): void {
  if (!existsSync(file)) return;
  throw new TuneError(`${file} is there already, and is left as it is`, EXIT.output, ['name another file']);
}

/** Names that are shown. */
const SHOWN = 5;

/** What a backup lacks, in words; undefined: nothing. */
export function lackingIn(
  { missing = 0, changed = [] }: Partial<Packed>,
  { objects, elsewhere }: Pick<BackupSource, 'objects' | 'elsewhere'>,
): string | undefined {
  const lacking: string[] = [];
  if (elsewhere !== undefined) lacking.push(elsewhere);
  else if (missing > 0) {
    lacking.push(
      `${plural(missing, 'upload')} of the database ${missing === 1 ? 'is' : 'are'} not in ${objects?.where}, and so not in the backup`,
    );
  }
  if (changed.length > 0) {
    const more = changed.length > SHOWN ? `, and ${changed.length - SHOWN} more` : '';
    lacking.push(
      `${plural(changed.length, 'upload')} kept changing during the backup, and may not be whole in it: ` +
        `${changed.slice(0, SHOWN).join(', ')}${more}`,
    );
  }
  return lacking.length === 0 ? undefined : lacking.join('; ');
}
