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

const FOR_UP = ['free some, or set XDG_DATA_HOME to a folder on a larger disk; then run webui-tune up again'];

/** Throws TuneError where `path` has less than `needed` bytes left for `what`. */
export function requireDiskSpace(
  path: string,
  needed: number,
  what: string,
  free = freeBytes(path),
  mend: readonly string[] = FOR_UP,
): void {
  if (free >= needed) return;
  throw new TuneError(
    `${what} needs ${formatBytes(needed)} of disk, and ${path} has ${formatBytes(free)} left`,
    EXIT.output,
    mend,
  );
}
