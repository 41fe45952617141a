import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT, TuneError } from '../errors.ts';
import { formatBytes } from '../units.ts';
import { statOrUndefined } from './stat.ts';

/** Bytes that an ordinary user may still write where `path` is or will be. */
export function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(existing(path));
  return bavail * bsize;
}

/** The disk that a path is or will be on. */
function deviceOf(path: string): number {
  return statOrUndefined(existing(path))?.dev ?? 0;
}

function existing(path: string): string {
  let folder = path;
  while (!statOrUndefined(folder) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
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

/** Bytes that something will take. */
export interface Need {
  path: string;
  bytes: number;
  what: string;
}

const DISKS = { disk: deviceOf as (path: string) => unknown, free: freeBytes };

/** Throws TuneError where a disk has too little for all that `what` puts there. `disk` and `free` are those of a path. */
export function requireSpace(
  what: string,
  needs: readonly Need[],
  mend: readonly string[],
  { disk, free } = DISKS,
): void {
  for (const of of new Set(needs.map(({ path }) => disk(path)))) {
    const needed = needs.filter(({ path }) => disk(path) === of);
    const bytes = needed.reduce((sum, need) => sum + need.bytes, 0);
    const path = needed[0]?.path ?? '/';
    if (free(path) >= bytes) continue;
    const parts = needed.filter((need) => need.bytes > 0);
    throw new TuneError(
      `the disk of ${path} has ${formatBytes(free(path))} left, and ${what} needs ${formatBytes(bytes)}: ` +
        parts.map((need) => `${formatBytes(need.bytes)} for ${need.what}`).join(', '),
      EXIT.output,
      mend,
    );
  }
}
