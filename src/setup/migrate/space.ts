import { dirname } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { freeBytes } from '../../base/io/disk-space.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { formatBytes } from '../../base/units.ts';

/** Bytes that something will take. */
export interface Need {
  path: string;
  bytes: number;
  what: string;
}

/** Throws TuneError where a disk has too little for all that goes to it. `disk` and `free` are those of a path. */
export function requireSpace(
  needs: readonly Need[],
  { disk, free }: { disk: (path: string) => unknown; free: (path: string) => number } = {
    disk: deviceOf,
    free: freeBytes,
  },
): void {
  for (const of of new Set(needs.map(({ path }) => disk(path)))) {
    const needed = needs.filter(({ path }) => disk(path) === of);
    const bytes = needed.reduce((sum, need) => sum + need.bytes, 0);
    const path = needed[0]?.path ?? '/';
    if (free(path) >= bytes) continue;
    const parts = needed.filter((need) => need.bytes > 0);
    throw new TuneError(
      `the disk of ${path} has ${formatBytes(free(path))} left, and the migration needs ${formatBytes(bytes)}: ` +
        parts.map((need) => `${formatBytes(need.bytes)} for ${need.what}`).join(', '),
      EXIT.output,
      ['free some, or set XDG_DATA_HOME to a folder on a larger disk; nothing was changed'],
    );
  }
}

/** The disk that a path is or will be on. */
function deviceOf(path: string): number {
  let folder = path;
  while (!statOrUndefined(folder) && folder !== dirname(folder)) folder = dirname(folder);
  return statOrUndefined(folder)?.dev ?? 0;
}
