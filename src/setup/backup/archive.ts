import { readFileSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { extract } from 'tar';
import { z } from 'zod';
import { EXIT, TuneError } from '../../base/errors.ts';
import { textOrUndefined } from '../../base/io/read.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { KEY_ENDING, type StoredObject } from './objects.ts';
import { isWhole, TarFile } from './tar-file.ts';

/** Names in the archive. */
export const ENTRIES = {
  about: 'backup.json',
  database: 'database.dump',
  key: 'secret-key',
  /** All that our private file of secrets holds. */
  secrets: 'secrets.env',
  uploads: 'uploads',
  /** Uploads that are in an object store: their contents and keys, by number. */
  objects: 'objects',
} as const;

/** Folder within that of the uploads where a restore works: the one place that is on their file system for sure. */
export const WORK_NAME = '.webui-tune-restore';

/** Bytes at once: by default the package takes 16 MiB, several times. */
const READING = { strict: true, maxReadSize: 1024 * 1024 } as const;

const About = z.object({
  /** 1: of an earlier version, which dumped all of the database, counted nothing and had no checksum. */
  format: z.union([z.literal(1), z.literal(2)]),
  /** ISO 8601. */
  made: z.string(),
  openWebui: z.string(),
  tables: z.array(z.object({ schema: z.string(), name: z.string(), rows: z.int() })).optional(),
});

export type About = z.infer<typeof About>;

export interface Contents {
  about: About;
  dump: string;
  key: string | undefined;
  secretsFile: string;
  uploads: string;
  /** Those of the object store, where there is one. */
  objects?: AsyncIterable<StoredObject>;
}

/** Milliseconds before each time that uploads which changed while they were read are tried again, once all else is packed. */
const PATIENCE = [100, 1_000, 5_000] as const;

export interface PackedUploads {
  count: number;
  /** Names of those that changed whenever they were read: what the backup has of them may not be whole. */
  changed: string[];
}

/**
 * Writes a new file (0600), reads it back, and returns what uploads are in it. Uploads that are deleted meanwhile are left out.
 * Throws TuneError or Node's system errors; what is written by then stays.
 */
export async function pack(
  file: string,
  { about, dump, key, secretsFile, uploads, objects }: Contents,
  patience: readonly number[] = PATIENCE,
): Promise<PackedUploads> {
  const tar = await TarFile.create(file);
  let count = 0;
  let changed: string[] = [];
  const addUpload = async (name: string, anyway = false) => {
    const added = await tar.addFile(`${ENTRIES.uploads}/${name}`, join(uploads, name), { anyway });
    if (added === 'whole') count++;
    else if (added === 'changed') changed.push(name);
  };
  try {
    // What it is comes first, so that it is found without reading all of it.
    await tar.addText(ENTRIES.about, `${JSON.stringify(about, undefined, 2)}\n`);
    if (key !== undefined) await tar.addText(ENTRIES.key, key);
    const secrets = textOrUndefined(secretsFile);
    if (secrets !== undefined) await tar.addText(ENTRIES.secrets, secrets);
    await tar.addFile(ENTRIES.database, dump, { anyway: true });
    const inStore = objects === undefined ? new Set<string>() : await packObjects(tar, objects);
    count += inStore.size;
    for await (const name of filesBelow(uploads)) {
      // Open WebUI keeps copies of what it has put into the store.
      if (!inStore.has(name)) await addUpload(name);
    }
    for (const [attempt, pause] of patience.entries()) {
      if (changed.length === 0) break;
      await sleep(pause);
      const again = changed;
      changed = [];
      for (const name of again) await addUpload(name, attempt === patience.length - 1);
    }
    await tar.finish();
  } finally {
    await tar.close();
  }
  if (await isWhole(file)) return { count, changed };
  throw new TuneError(`${file} does not hold what was written to it`, EXIT.output, ['look at that disk']);
}

/** Returns their names without the prefix, which are those of the copies that Open WebUI has of them. */
async function packObjects(tar: TarFile, objects: AsyncIterable<StoredObject>): Promise<Set<string>> {
  const names = new Set<string>();
  let count = 0;
  for await (const { key, size, content } of objects) {
    const entry = `${ENTRIES.objects}/${count++}`;
    if (!(await tar.addStream(entry, size, content))) {
      throw new TuneError(`the object ${key} ended too early`, EXIT.service, ['try again']);
    }
    await tar.addText(`${entry}${KEY_ENDING}`, JSON.stringify({ key }));
    names.add(basename(key));
  }
  return names;
}

/** Paths of the files below a folder, relative to it, as they are found; links are followed. None where it is missing. */
export async function* filesBelow(folder: string, below = ''): AsyncGenerator<string> {
  if (!statOrUndefined(join(folder, below))?.isDirectory()) return;
  for await (const entry of await opendir(join(folder, below))) {
    const path = join(below, entry.name);
    if (path === WORK_NAME) continue;
    const found = statOrUndefined(join(folder, path));
    if (found?.isFile()) yield path;
    else if (found?.isDirectory() && !entry.isSymbolicLink()) yield* filesBelow(folder, path);
  }
}

/** Unpacks into an empty folder. Throws TuneError for what is no backup of ours, or is no longer whole. */
export async function unpack(file: string, folder: string): Promise<About> {
  try {
    // Nothing can be written outside of the folder: absolute paths and ".." are refused by the package.
    await extract({ ...READING, file, cwd: folder, filter: (_, entry) => isPlain(entry) });
    const about = readAbout(folder);
    if (about.format > 1 && !(await isWhole(file))) throw new Error('its checksum is another one');
    return about;
  } catch (error) {
    const reason =
      error instanceof z.ZodError ? 'of a format that this version does not know' : String(error);
    throw new TuneError(`${file} is no backup of webui-tune, or only a part of one: ${reason}`, EXIT.usage, [
      'nothing was changed',
    ]);
  }
}

function readAbout(folder: string): About {
  return About.parse(JSON.parse(readFileSync(join(folder, ENTRIES.about), 'utf8')));
}

/** Unpacks the database alone, of a backup that was proven. Returns the dump's path, and what is in it. */
export async function unpackDatabase(file: string, folder: string): Promise<{ dump: string; about: About }> {
  await extract({ ...READING, file, cwd: folder }, [ENTRIES.about, ENTRIES.database]);
  return { dump: join(folder, ENTRIES.database), about: readAbout(folder) };
}

/** Links could lead out of the folder. */
function isPlain(entry: object): boolean {
  return !('type' in entry) || ['File', 'OldFile', 'Directory'].includes(String(entry.type));
}
