import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, TuneError } from '../errors.ts';
import { runProgram, tailOf } from '../io/run.ts';
import { findOnPath, isExecutable } from '../openwebui/path.ts';
import { type DatabaseUrl, databaseUrl, parseDatabaseUrl } from '../services/urls.ts';
import type { Environment, Settings } from '../types.ts';

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
}

/** Copies the database, which nobody may be using. Throws TuneError where that fails. */
export async function backUpDatabase(place: BackupPlace): Promise<Backup> {
  const text = databaseUrl(place.settings);
  const url = text === undefined ? undefined : parseDatabaseUrl(text);
  if (url && url.scheme !== 'sqlite') return backUpPostgres(url, place);
  return backUpSqlite(url?.database ?? join(place.dataDir, 'webui.db'), place);
}

/** sqlite3's own backup: a plain copy would miss what is still in the write-ahead log. */
const COPY = `
import sqlite3, sys
with sqlite3.connect(f"file:{sys.argv[1]}?mode=rw", uri=True) as source, sqlite3.connect(sys.argv[2]) as target:
    source.backup(target)
`;

async function backUpSqlite(database: string, { folder, python, env }: BackupPlace): Promise<Backup> {
  const copy = join(folder, 'webui.db');
  await run(python, ['-c', COPY, database, copy], env, `${database} cannot be copied`);
  return {
    words: copy,
    restore: () => run(python, ['-c', COPY, copy, database], env, `${copy} cannot be put back`),
  };
}

async function backUpPostgres(url: DatabaseUrl, { folder, env }: BackupPlace): Promise<Backup> {
  const tools = postgresTools(env);
  if (!tools) {
    return {
      words:
        'none: pg_dump is not here. PostgreSQL undoes a migration that fails; for more, install its client tools',
    };
  }
  const dump = join(folder, 'database.dump');
  // The password goes by the environment: a command line is everybody's to read.
  const withPassword = { ...env, ...(url.password !== undefined && { PGPASSWORD: url.password }) };
  const target = `--dbname=${conninfo(url)}`;
  await run(
    tools.dump,
    ['--format=custom', '--no-password', `--file=${dump}`, target],
    withPassword,
    'pg_dump failed, and nothing has been changed',
  );
  return {
    words: dump,
    restore: () =>
      run(
        tools.restore,
        ['--clean', '--if-exists', '--no-owner', '--single-transaction', '--no-password', target, dump],
        withPassword,
        `pg_restore failed; the dump is ${dump}`,
      ),
  };
}

/** libpq's own form, in which every value can be quoted; without the password. */
function conninfo({ host, port, user, database, query }: DatabaseUrl): string {
  const parts = { host, port, user, dbname: database, ...Object.fromEntries(query) };
  return Object.entries(parts)
    .filter(([key, value]) => value !== undefined && key !== 'password')
    .map(([key, value]) => `${key}='${String(value).replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`)
    .join(' ');
}

/** The newest that there is: an older pg_dump refuses a newer server. Debian keeps them outside of the PATH. */
function postgresTools(env: Environment): { dump: string; restore: string } | undefined {
  const debian = '/usr/lib/postgresql';
  const folders = list(debian)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(debian, version, 'bin'));
  const found = folders.find((folder) => isExecutable(join(folder, 'pg_dump')));
  if (found) return { dump: join(found, 'pg_dump'), restore: join(found, 'pg_restore') };
  const [dump, restore] = [findOnPath('pg_dump', env.PATH), findOnPath('pg_restore', env.PATH)];
  return dump && restore ? { dump, restore } : undefined;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

async function run(command: string, args: string[], env: Environment, problem: string): Promise<void> {
  const { code, output } = await runProgram(command, args, { env });
  if (code !== 0) throw new TuneError(`${problem}:\n${tailOf(output, 6)}`, EXIT.service);
}
