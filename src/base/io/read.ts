import { readdirSync, readFileSync } from 'node:fs';

/** Names of what is in a folder, sorted; none where it is missing or where we may not look. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** A file's text; undefined where it is missing or may not be read. */
export function textOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** The same, where a file that cannot be read is as good as an empty one. */
export function textOf(path: string): string {
  return textOrUndefined(path) ?? '';
}
