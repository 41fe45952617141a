import {
  copyFileSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { SECRETS_NAME } from '../../tune/secrets/secrets-file.ts';

/** What is not a file of Open WebUI's, or is carried by other means: the database, the vectors, our own. */
const OTHERS = /^(?:webui\.db.*|vector_db|backups|\.webui_secret_key)$/;

/** Milliseconds in which a file may change without its time: kernels count it in ticks, FAT in two seconds. */
const TICK = 2_000;

export interface FilesCopied {
  files: number;
  bytes: number;
  /** Those that are gone from the source since an earlier copy. */
  deleted: number;
}

/** How many bytes a copy of the data folder’s files takes. */
export function sizeOfFiles(folder: string): { files: number; bytes: number } {
  const total = { files: 0, bytes: 0 };
  for (const name of entriesOf(folder)) {
    walk(folder, name, (path) => {
      const stats = lstatSync(path);
      if (!stats.isFile()) return;
      total.files++;
      total.bytes += stats.size;
    });
  }
  return total;
}

/**
 * Copies the files of a data folder into another; what is there with the same size and time stays. What an earlier copy
 * has brought and the source has no more is deleted. The source is only read. The copy of a file that was written within the
 * last two seconds has an earlier time, so that it is copied again.
 */
export function copyFiles(from: string, to: string): FilesCopied {
  const total = { files: 0, bytes: 0, deleted: 0 };
  for (const name of entriesOf(from)) {
    walk(from, name, (path, relative) => copyOne(path, join(to, relative), total));
    total.deleted += deleteStrays(join(from, name), join(to, name));
  }
  return total;
}

function entriesOf(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => !OTHERS.test(name) && !name.startsWith(SECRETS_NAME));
}

/** Folders before what is in them. What is gone by the time that it is looked at is left out. */
function walk(root: string, relative: string, visit: (path: string, relative: string) => void): void {
  const path = join(root, relative);
  try {
    visit(path, relative);
    if (!lstatSync(path).isDirectory()) return;
    for (const name of readdirSync(path)) walk(root, join(relative, name), visit);
  } catch (error) {
    // A server that runs deletes files, too.
    if (existsSync(path)) throw error;
  }
}

function copyOne(path: string, target: string, total: FilesCopied): void {
  const stats = lstatSync(path);
  const there = lstatSync(target, { throwIfNoEntry: false });
  if (stats.isDirectory()) {
    mkdirSync(target, { recursive: true, mode: stats.mode & 0o777 });
  } else if (stats.isSymbolicLink()) {
    if (there) rmSync(target, { recursive: true });
    symlinkSync(readlinkSync(path), target);
  } else if (stats.isFile()) {
    total.files++;
    total.bytes += stats.size;
    // The time is set last: a copy that was cut short has another one. So has one of a file that has just been written.
    if (there?.isFile() && there.size === stats.size && isSameTime(there.mtimeMs, stats.mtimeMs)) return;
    const mayChangeUnseen = Math.abs(Date.now() - stats.mtimeMs) < TICK;
    copyFileSync(path, target);
    lutimesSync(target, stats.atime, mayChangeUnseen ? new Date(stats.mtimeMs - TICK) : stats.mtime);
  }
}

/** Some file systems keep less than a millisecond. */
function isSameTime(a: number, b: number): boolean {
  return Math.abs(a - b) < 1;
}

function deleteStrays(from: string, to: string): number {
  if (!lstatSync(to, { throwIfNoEntry: false })?.isDirectory()) return 0;
  let deleted = 0;
  for (const name of readdirSync(to)) {
    const [source, target] = [join(from, name), join(to, name)];
    if (lstatSync(source, { throwIfNoEntry: false })) {
      deleted += deleteStrays(source, target);
    } else {
      rmSync(target, { recursive: true });
      deleted++;
    }
  }
  return deleted;
}
