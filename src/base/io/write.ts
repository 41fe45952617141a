import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Names of temporary files: unlike any other process, and unlike our own earlier ones. */
let count = 0;

/**
 * Writes a file so that nobody ever sees half of it: a temporary one beside it, on disk before it takes the name. Node's
 * system errors are thrown as they are, with nothing left behind.
 */
export function writeAtomically(path: string, text: string, mode: number): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${count++}.tmp`);
  try {
    const file = openSync(temporary, 'wx', mode);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    // The umask may have taken something away.
    chmodSync(temporary, mode);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Makes a folder, and those above it, that only the user may enter; one that is there keeps its rights. */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
}
