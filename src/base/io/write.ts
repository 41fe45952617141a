import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '../errors.ts';

/** Names of temporary files: unlike any other process, and unlike our own earlier ones. */
let count = 0;

/**
 * Writes a file so that nobody ever sees half of it, after a power failure neither: a temporary one beside it, on disk
 * before it takes the name. Node's system errors are thrown as they are, with nothing left behind.
 */
export function writeAtomically(path: string, text: string, mode: number): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${count++}.tmp`);
  try {
    const file = openSync(temporary, 'wx', mode);
    try {
      // All of it: write(2) may take a part, on a disk that is about to be full.
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    // The umask may have taken something away.
    chmodSync(temporary, mode);
    renameSync(temporary, path);
    flushFolder(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Puts the names in a folder on disk: a file that was renamed is then found after a power failure too. */
export function flushFolder(folder: string): void {
  let handle: number | undefined;
  try {
    handle = openSync(folder, 'r');
    fsyncSync(handle);
  } catch (error) {
    // Some network file systems know no such thing (fsync(2)), and some folders may not be read: the file is there.
    if (!['EINVAL', 'ENOTSUP', 'EACCES'].includes(systemCode(error) ?? '')) throw error;
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}

/**
 * Makes a folder, and those above it, that only the user may enter; one that is there keeps its rights. Returns the
 * topmost that was made; undefined: all were there.
 */
export function makePrivateFolder(path: string): string | undefined {
  return mkdirSync(path, { recursive: true, mode: 0o700 });
}

/** Removes a folder, and those above it up to `topmost`, as far as they are empty. */
export function removeEmptyFolders(path: string, topmost: string): void {
  try {
    for (let folder = path; ; folder = dirname(folder)) {
      rmdirSync(folder);
      if (folder === topmost) return;
    }
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(systemCode(error) ?? '')) throw error;
  }
}
