/** The library with which the chaos event of the clock tells processes another time. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureUnpacked, unpacked } from './debian.mjs';

const PACKAGE = 'libfaketime';
const NAME = 'libfaketime.so.1';

/** Path of libfaketime: the machine's own, or the unpacked one. Undefined: there is none. */
export function findFaketime() {
  for (const root of ['/', unpacked(PACKAGE)]) {
    const folder = join(root, 'usr', 'lib');
    for (const below of ['.', ...namesIn(folder)]) {
      const found = namesIn(join(folder, below, 'faketime')).includes(NAME);
      if (found) return join(folder, below, 'faketime', NAME);
    }
  }
  return undefined;
}

function namesIn(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

export const ensureFaketime = () =>
  ensureUnpacked(PACKAGE, 'the chaos event of the clock', () => findFaketime() !== undefined);
