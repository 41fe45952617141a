import { join } from 'node:path';
import type { EmbeddedService } from '../types.ts';
import { placesIn } from './folder.ts';
import type { Installed } from './installed.ts';
import type { Programs } from './packages.ts';

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
    args: ['-D', placesIn(services).postgresData],
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
    args: [placesIn(services).valkeyConfig],
    cwd: services,
    ...(account && { account }),
  };
}
