import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import { databaseUrl, parseDatabaseUrl } from '../../facts/services/urls.ts';
import {
  checkTools,
  dumpDatabase,
  migrationOf,
  proveDump,
  restoreDatabase,
  type TableRows,
} from '../backup/database.ts';
import { type DatabaseSource, findDatabase } from '../backup/tools.ts';

/** The database as it was before the migration. */
export interface DatabaseBackup {
  path: string;
  /** Of PostgreSQL: how many rows each table had, and what the old version's tables are called. */
  tables?: TableRows[];
  names?: string[];
  /** Of PostgreSQL: what was migrated (migrationOf). */
  migration?: string;
}

export interface BackupPlace extends DatabaseSource {
  dataDir: string;
  folder: string;
}

/** Throws TuneError where there could be no backup: before anything is stopped for it. */
export async function checkBackup(place: BackupPlace): Promise<void> {
  const database = await findDatabase(place);
  if (database) await checkTools(database);
}

/** Copies the database, which nobody may be using, and proves the copy. Throws TuneError where that fails. */
export async function backUpDatabase(place: BackupPlace): Promise<DatabaseBackup> {
  const database = await findDatabase(place);
  const path = join(place.folder, database ? 'database.dump' : 'webui.db');
  if (!database) {
    await copySqlite(sqliteOf(place), path, place);
    return { path };
  }
  const tables = await dumpDatabase(database, path);
  await proveDump(database, path, tables);
  return { path, tables, names: [...database.tables], migration: await migrationOf(database) };
}

/**
 * Whether the database may have been migrated since. SQLite keeps a part of a migration that failed, and Alembic does not note
 * it: there the answer is always yes. Throws TuneError.
 */
export async function wasMigrated(
  { migration, names = [] }: DatabaseBackup,
  place: BackupPlace,
): Promise<boolean> {
  const database = await findDatabase(place);
  if (!database || migration === undefined) return true;
  return (await migrationOf({ ...database, tables: union(database.tables, names) })) !== migration;
}

const union = (a: readonly string[], b: readonly string[]) => [...new Set([...a, ...b])];

/**
 * Puts it back. The new version's packages are still there: its tables, which the old one does not know, are dropped too.
 * Throws TuneError.
 */
export async function restoreBackup(
  { path, tables, names = [] }: DatabaseBackup,
  place: BackupPlace,
): Promise<void> {
  const database = await findDatabase(place);
  if (!database) return copySqlite(path, sqliteOf(place), place);
  await restoreDatabase({ ...database, tables: union(database.tables, names) }, path, tables);
}

/** The file of SQLite. */
export function sqliteOf({ settings, dataDir }: Pick<BackupPlace, 'settings' | 'dataDir'>): string {
  const text = databaseUrl(settings);
  const file = text === undefined ? undefined : parseDatabaseUrl(text)?.database;
  return file ?? join(dataDir, 'webui.db');
}

/** sqlite3's own backup: a plain copy would miss what is still in the write-ahead log. */
const COPY = `
import sqlite3, sys
with sqlite3.connect(f"file:{sys.argv[1]}?mode=rw", uri=True) as source, sqlite3.connect(sys.argv[2]) as target:
    source.backup(target)
    [[word]] = target.execute("PRAGMA integrity_check(1)")
    if word != "ok":
        sys.exit(word)
`;

async function copySqlite(from: string, to: string, { python, env }: BackupPlace): Promise<void> {
  const { code, output } = await runProgram(python, ['-c', COPY, from, to], { env });
  if (code !== 0)
    throw new TuneError(`${from} cannot be copied to ${to}:\n${tailOf(output, 6)}`, EXIT.service);
}
