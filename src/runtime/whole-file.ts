import { renameSync, writeFileSync } from 'node:fs';

/**
 * Writes JSON that only its owner may read, so that no reader sees half of it. Unlike `writeAtomically` it does not wait for the
 * disk: what processes write every few seconds begins anew after a power failure. Throws Node's system errors.
 */
export function writeWhole(path: string, value: object): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, JSON.stringify(value), { mode: 0o600 });
  renameSync(temporary, path);
}
