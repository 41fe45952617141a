import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT, TuneError } from '../errors.ts';
import { formatBytes } from '../units.ts';
import { statOrUndefined } from './stat.ts';

/** Bytes that an ordinary user may still write where `path` is or will be. */
export function freeBytes(path: string): number {
  let folder = path;
  while (!statOrUndefined(folder) && folder !== dirname(folder)) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Throws TuneError where `path` has less room than `needed` bytes for `what`. */
export function requireRoom(path: string, needed: number, what: string, free = freeBytes(path)): void {
  if (free >= needed) return;
  throw new TuneError(
    `${what} needs ${formatBytes(needed)} of disk, and ${path} has ${formatBytes(free)} left`,
    EXIT.output,
    ['make room, or set XDG_DATA_HOME to a folder on a larger disk; then run webui-tune up again'],
  );
}
