import { join } from 'node:path';
import type { Environment } from '../../base/io/environment.ts';
import { APPS, RUNTIME_FILES } from '../../runtime/contract.ts';
import type { EmbeddedService, Settings } from '../types.ts';
import { servicePaths, servicesFolder } from './folder.ts';
import type { Installed } from './installed.ts';
import { embeddedInUse, readInstalled } from './installed.ts';
import type { Programs } from './packages.ts';
import { packagesFolder, programsIn } from './packages.ts';

/** Names of the PM2 apps. */
export const SERVICE_APPS = { postgres: 'open-webui-postgres', valkey: 'open-webui-valkey' } as const;

export function embeddedPostgres(
  services: string,
  { postgres }: Programs,
  { account }: Installed,
): EmbeddedService {
  return {
    name: SERVICE_APPS.postgres,
    program: join(postgres, 'postgres'),
    args: ['-D', servicePaths(services).postgresData],
    cwd: services,
    ...(account && { account }),
  };
}

export function embeddedValkey(
  services: string,
  { valkey }: Programs,
  { account }: Installed,
): EmbeddedService {
  return {
    name: SERVICE_APPS.valkey,
    program: valkey,
    args: [servicePaths(services).valkeyConfig],
    cwd: services,
    ...(account && { account }),
  };
}

/** Every five minutes: a log that grows by 1 MiB/s is 300 MiB larger by then. */
const ROTATION = '*/5 * * * *';

/** Keeps the logs of all apps from filling the disk. `runtime` is the folder of the runtime files. */
export function logRotation(runtime: string): EmbeddedService {
  return {
    name: APPS.logrotate,
    program: join(runtime, RUNTIME_FILES.logrotate),
    args: [],
    cwd: runtime,
    schedule: ROTATION,
  };
}

/** The embedded services that the settings use, as apps of the ecosystem file. Empty: none. */
export function embeddedServices(settings: Settings, env: Environment, home: string): EmbeddedService[] {
  const services = servicesFolder(env, home);
  const installed = readInstalled(services);
  if (!installed) return [];
  const programs = programsIn(packagesFolder(services));
  const use = embeddedInUse(settings, installed);
  return [
    ...(use.database ? [embeddedPostgres(services, programs, installed)] : []),
    ...(use.broker ? [embeddedValkey(services, programs, installed)] : []),
  ];
}
