import { type Stats, statSync } from 'node:fs';

/** What is at `path`, links followed; undefined where there is nothing or where we may not look. */
export function statOrUndefined(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
