import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, TuneError } from '../errors.ts';
import { dataHome, shortHash } from '../io/folders.ts';
import { statOrUndefined } from '../io/stat.ts';
import type { Environment } from '../types.ts';

/** Where root's embedded services live: the account that they run as cannot get into root's own home. */
const SYSTEM_HOME = '/var/lib/webui-tune';

/** Right of everybody to enter a folder. */
const OTHERS_MAY_ENTER = 0o001;

/** Folder of the embedded services: programs, data and configuration. Root may choose one with XDG_DATA_HOME. */
export function servicesFolder(env: Environment, home: string, isRoot = process.getuid?.() === 0): string {
  const own = dataHome(env, home);
  return isRoot && !env.XDG_DATA_HOME ? join(SYSTEM_HOME, shortHash(own)) : join(own, 'services');
}

/**
 * Makes it: for its user alone, or, as root, so that another account may enter it and see what it is named to. Throws
 * TuneError where a folder above keeps that account out.
 */
export function makeServicesFolder(services: string, isRoot = process.getuid?.() === 0): void {
  mkdirSync(services, { recursive: true, mode: isRoot ? 0o711 : 0o700 });
  if (!isRoot) return;
  // Both are ours, and may have been made for root alone before.
  for (const folder of [dirname(services), services]) chmodSync(folder, 0o711);
  requireEntrance(services, `unset XDG_DATA_HOME: then ${SYSTEM_HOME} is used`);
}

/** Throws TuneError where an ordinary account cannot get into the folder, with what else than opening it would help. */
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

/** What is in it. */
export function placesIn(services: string) {
  return {
    /** What services.json holds: `Installed`. */
    state: join(services, 'services.json'),
    postgresData: join(services, 'postgres'),
    postgresConfig: join(services, 'postgres.conf'),
    /** Of PostgreSQL's superuser, of Open WebUI's role, of Valkey. */
    passwords: join(services, 'passwords.json'),
    valkeyData: join(services, 'valkey'),
    valkeyConfig: join(services, 'valkey.conf'),
  } as const;
}
