import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Text of a kernel file below `root`, without the white space around it; undefined where it is missing or may not be
 * read. The kernel's files are made on demand and small, so that reading them blocks for microseconds.
 */
export function readKernelFile(root: string, path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8').trim();
  } catch {
    return undefined;
  }
}
