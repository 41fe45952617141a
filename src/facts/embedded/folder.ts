import { join } from 'node:path';
import type { Environment } from '../../base/io/environment.ts';
import { dataHome, shortHash } from '../../base/io/folders.ts';

/** Where root's embedded services live: the account that they run as cannot get into root's own home. */
export const SYSTEM_HOME = '/var/lib/webui-tune';

/** Folder of the embedded services: programs, data and configuration. Root may choose one with XDG_DATA_HOME. */
export function servicesFolder(env: Environment, home: string, isRoot = process.getuid?.() === 0): string {
  const own = dataHome(env, home);
  return isRoot && !env.XDG_DATA_HOME ? join(SYSTEM_HOME, shortHash(own)) : join(own, 'services');
}

/** What is in it. */
export function servicePaths(services: string) {
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
