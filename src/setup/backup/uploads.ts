import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { flushFolder } from '../../base/io/write.ts';
import { points } from '../journal/points.ts';
import { WORK_NAME } from './archive.ts';

/**
 * Moves all that is in one folder into another on the same file system, but for the folder in which a restore works; what
 * was moved by an attempt that was cut short stays moved. Names are on disk when it returns.
 */
export function moveAll(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  if (!existsSync(from)) return;
  for (const name of readdirSync(from)) {
    if (name === WORK_NAME) continue;
    renameSync(join(from, name), join(to, name));
    points.reach('a file moved');
  }
  flushFolder(from);
  flushFolder(to);
}

/** Has all files below a folder on disk. */
export function syncAll(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      syncAll(path);
      continue;
    }
    const file = openSync(path, 'r');
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
  flushFolder(folder);
}
