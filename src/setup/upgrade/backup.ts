import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import { type DatabaseUrl, databaseUrl, parseDatabaseUrl } from '../../facts/services/urls.ts';
import type { Settings } from '../../facts/types.ts';
import { checkTools, dumpDatabase, postgresDatabase, restoreDatabase } from '../backup/database.ts';

/** The database as it was before the migration. */
export interface Backup {
  /** Where it is, or why there is none. */
  words: string;
  /** Puts it back. Undefined: PostgreSQL itself undoes a migration that fails, and there is nothing more. */
  restore?: () => Promise<void>;
}

export interface BackupPlace {
  settings: Settings;
  dataDir: string;
  folder: string;
  python: string;
  env: Environment;
  /** Folder of the embedded services, whose tools are used. */
  services: string;
}

/** Throws TuneError where there could be no backup: before anything is stopped for it. */
export async function checkBackup(place: BackupPlace): Promise<void> {
  const url = postgresUrl(place);
  const database = url && postgresDatabase(url, place);
  if (database) await checkTools(database);
}

/** Copies the database, which nobody may be using. Throws TuneError where that fails. */
export async function backUpDatabase(place: BackupPlace): Promise<Backup> {
  const url = postgresUrl(place);
  if (url) return backUpPostgres(url, place);
  const text = databaseUrl(place.settings);
  const file = text === undefined ? undefined : parseDatabaseUrl(text)?.database;
  return backUpSqlite(file ?? join(place.dataDir, 'webui.db'), place);
}

/** Undefined: it is SQLite. */
function postgresUrl({ settings }: BackupPlace): DatabaseUrl | undefined {
  const text = databaseUrl(settings);
  const url = text === undefined ? undefined : parseDatabaseUrl(text);
  return url?.scheme === 'sqlite' ? undefined : url;
}

/** sqlite3's own backup: a plain copy would miss what is still in the write-ahead log. */
const COPY = `
import sqlite3, sys
with sqlite3.connect(f"file:{sys.argv[1]}?mode=rw", uri=True) as source, sqlite3.connect(sys.argv[2]) as target:
    source.backup(target)
`;

async function backUpSqlite(database: string, { folder, python, env }: BackupPlace): Promise<Backup> {
  const copy = join(folder, 'webui.db');
  const copyTo = async (from: string, to: string, problem: string) => {
    const { code, output } = await runProgram(python, ['-c', COPY, from, to], { env });
    if (code !== 0) throw new TuneError(`${problem}:\n${tailOf(output, 6)}`, EXIT.service);
  };
  await copyTo(database, copy, `${database} cannot be copied`);
  return { words: copy, restore: () => copyTo(copy, database, `${copy} cannot be put back`) };
}

async function backUpPostgres(url: DatabaseUrl, place: BackupPlace): Promise<Backup> {
  const database = postgresDatabase(url, place);
  if (!database) {
    return {
      words:
        'none: pg_dump is not here. PostgreSQL undoes a migration that fails; for more, install its client tools',
    };
  }
  const dump = join(place.folder, 'database.dump');
  await dumpDatabase(database, dump);
  return { words: dump, restore: () => restoreDatabase(database, dump, place.folder) };
}
