import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { SYSTEM_HOME } from '../../facts/embedded/folder.ts';

/**
 * Makes it for its user alone, or, as root, so that another account may enter it without listing it. Throws
 * TuneError where a folder above keeps that account out.
 */
export function makeServicesFolder(services: string, isRoot = process.getuid?.() === 0): void {
  mkdirSync(services, { recursive: true, mode: isRoot ? 0o711 : 0o700 });
  if (!isRoot) return;
  // Both are ours, and may have been made for root alone before.
  for (const folder of [dirname(services), services]) chmodSync(folder, 0o711);
  requireEntrance(services, `unset XDG_DATA_HOME: then ${SYSTEM_HOME} is used`);
}

/** Throws TuneError where an ordinary account cannot enter the folder. Its mends do not include opening the folder. */
export function requireEntrance(path: string, instead: string): void {
  const closed = parentsOf(path).find(
    (folder) => ((statOrUndefined(folder)?.mode ?? 0) & OTHERS_MAY_ENTER) === 0,
  );
  if (closed === undefined) return;
  throw new TuneError(`the account that PostgreSQL runs as cannot enter ${closed}`, EXIT.output, [
    `chmod o+x ${closed}, or ${instead}`,
  ]);
}

/** The folder and all those above it, the highest first. */
function parentsOf(folder: string): string[] {
  const parts = folder.split('/').filter(Boolean);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}

/** Right of everybody to enter a folder. */
const OTHERS_MAY_ENTER = 0o001;
