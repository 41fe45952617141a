import { join } from 'node:path';
import { dropSecrets, keepSecrets, readSecrets } from '../../tune/secrets/secrets-file.ts';
import type { Setup } from '../up/setup.ts';
import { settingsOf } from '../up/start-services.ts';
import type { MigrateData } from './job.ts';
import { readRecord, removeRecord, writeRecord } from './record.ts';
import { givenTarget, migrationFolder } from './target.ts';

/** What has to be set for Open WebUI to find its data in the new database. */
export async function newSettings(
  setup: Setup,
  { hasVectors, vectorSettings }: Pick<MigrateData, 'hasVectors' | 'vectorSettings'>,
): Promise<Map<string, string>> {
  const { plan, settings } = await setup.tuned();
  const given = givenTarget(settings);
  return new Map([
    ...settingsOf(setup, { ...setup.wanted(plan), database: given === undefined }),
    // What only the shell has would be gone with it.
    ...(given !== undefined && settings.get('DATABASE_URL')?.source === 'environment'
      ? [['DATABASE_URL', given] as const]
      : []),
    ...(hasVectors ? [['VECTOR_DB', 'pgvector'] as const, ...Object.entries(vectorSettings)] : []),
  ]);
}

/** Has Open WebUI use the new database, and keeps what was changed for the way back. */
export async function pointAtPostgres(setup: Setup, data: MigrateData): Promise<void> {
  setup.isMigrating = true;
  setup.changed();
  const { secretsFile } = (await setup.tuned()).plan.places;
  const settings = await newSettings(setup, data);
  const before = readSecrets(secretsFile);
  const names = [...settings.keys()];
  const known = readRecord(migrationFolder(setup));
  writeRecord(migrationFolder(setup), {
    at: new Date().toISOString(),
    source: data.source,
    dataDir: data.dataDir,
    isOlder: data.isOlder,
    // Of the first attempt, where this is another one.
    names: known?.names ?? names,
    former: known?.former ?? formerOf(before, names),
    old: data.old,
    relocated: data.relocated ?? 0,
  });
  await keepSecrets(secretsFile, { settings, once: new Map() });
  setup.isMigrating = false;
  setup.changed();
}

function formerOf(before: ReadonlyMap<string, string>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = before.get(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Takes back what pointAtPostgres has set, as far as it has. */
export async function pointAtSqlite(setup: Setup): Promise<void> {
  const folder = migrationFolder(setup);
  const record = readRecord(folder);
  if (record === undefined) return;
  setup.changed();
  const { secretsFile, dataDir } = (await setup.tuned()).plan.places;
  dropSecrets(secretsFile, Object.fromEntries(record.names.map((name) => [name, ''])));
  const settings = new Map(Object.entries(record.former));
  // Open WebUI’s own file in its data folder needs no URL.
  if (record.dataDir === dataDir && record.source !== join(dataDir, 'webui.db')) {
    settings.set('DATABASE_URL', `sqlite:///${record.source}`);
  }
  await keepSecrets(secretsFile, { settings, once: new Map() });
  removeRecord(folder);
  setup.changed();
}
