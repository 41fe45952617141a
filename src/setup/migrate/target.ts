import { join } from 'node:path';
import { SERVICE_APPS } from '../../facts/embedded/apps.ts';
import { type DatabaseUrl, databaseUrl, parseDatabaseUrl } from '../../facts/services/urls.ts';
import type { Settings } from '../../facts/types.ts';
import type { Tuned } from '../../tune/tuned.ts';
import type { Setup } from '../up/setup.ts';
import { settingsOf } from '../up/start-services.ts';

/** The database that the data goes to. */
export interface Target {
  /** With its password: never print it. */
  url: string;
  schema: string | null;
}

/** URL of the PostgreSQL that the user has set, in `--to`, the environment or a file; undefined: the embedded one. */
export function givenTarget(settings: Settings): string | undefined {
  const url = databaseUrl(settings);
  return url !== undefined && parseDatabaseUrl(url)?.scheme === 'postgresql' ? url : undefined;
}

/** Its services are set up by then. */
export function targetOf(setup: Setup, { settings }: Pick<Tuned, 'settings'>): Target {
  const embedded = () => settingsOf(setup, { database: true, broker: false }).get('DATABASE_URL');
  return {
    url: givenTarget(settings) ?? (embedded() as string),
    schema: settings.get('DATABASE_SCHEMA')?.value || null,
  };
}

export function parsedUrl({ url }: Target): DatabaseUrl {
  const parsed = parseDatabaseUrl(url);
  if (!parsed) throw new Error('the URL of the target was checked');
  return parsed;
}

/** Values by name, as a process gets them. */
export function valuesOf(settings: Settings): Record<string, string> {
  return Object.fromEntries([...settings].map(([name, { value }]) => [name, value]));
}

export interface Conflict {
  name: string;
  source: string;
}

/**
 * Settings that would win over those that are about to be written: in the environment and the env file they come before
 * ours.
 */
export function conflictsOf(settings: Settings, wanted: ReadonlyMap<string, string>): Conflict[] {
  return [...wanted].flatMap(([name, value]) => {
    const set = settings.get(name);
    const wins = set?.source === 'environment' || set?.source === 'env file';
    return set && wins && set.value !== value ? [{ name, source: set.source }] : [];
  });
}

export const FOLDER_NAME = 'migration';

/** Where migrations keep their copy, their report and what they have changed. */
export function migrationFolder({ folder }: Pick<Setup, 'folder'>): string {
  return join(folder, FOLDER_NAME);
}

/** Apps of the embedded services. */
export const SERVICES: readonly string[] = [SERVICE_APPS.valkey, SERVICE_APPS.postgres];
