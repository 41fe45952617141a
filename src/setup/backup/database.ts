import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { findOnPath, isExecutable } from '../../base/io/path.ts';
import { namesIn } from '../../base/io/read.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import { packagesFolder, programsIn } from '../../facts/embedded/packages.ts';
import { type DatabaseUrl, databaseUrl, readDatabaseUrl, whereOf } from '../../facts/services/urls.ts';
import type { Setup } from '../up/setup.ts';

/** PostgreSQL's own tools, and the database that they work on. */
export interface Database {
  /** Folder of pg_dump, pg_restore and psql; empty: those on PATH. */
  tools: string;
  /** With the connection in libpq's variables: a command line is for everybody to read. */
  env: Environment;
  where: string;
}

/** Throws TuneError where there is no PostgreSQL, or no tools for it. */
export async function databaseOf(setup: Setup): Promise<Database> {
  const { plan, settings } = await setup.tuned();
  const { database } = plan.services;
  if (database.kind !== 'postgresql') {
    throw new TuneError(`the database is ${database.kind}, and a backup is of PostgreSQL`, EXIT.settings, [
      `SQLite: while everything is stopped, copy the folder ${plan.places.dataDir}`,
    ]);
  }
  const found = postgresDatabase(readDatabaseUrl('DATABASE_URL', databaseUrl(settings) ?? ''), setup);
  if (found) return found;
  const version = database.answer.up ? database.answer.version.split('.')[0] : undefined;
  throw new TuneError('there is no pg_dump', EXIT.service, [
    `install PostgreSQL’s client programs, of version ${version || 'your server'} or newer`,
  ]);
}

/** A database of PostgreSQL, and tools for it; undefined: there are none here. */
export function postgresDatabase(
  url: DatabaseUrl,
  { env, services }: Pick<Setup, 'env' | 'services'>,
): Database | undefined {
  const tools = toolsFor(url, env, services);
  if (tools === undefined) return undefined;
  return { tools, env: { ...env, ...libpqVariables(url) }, where: whereOf(url) };
}

/** Where Debian has PostgreSQL's programs, by version; on PATH is a wrapper that takes the newest for a PGHOST. */
const DEBIAN = '/usr/lib/postgresql';

/**
 * Those of the embedded PostgreSQL, which know every older server; but its build cannot do TLS. Empty: those on PATH. An
 * older pg_dump refuses a newer server: checkTools.
 */
function toolsFor(url: DatabaseUrl, env: Environment, services: string): string | undefined {
  const needsTls = !['', 'disable', 'allow', 'prefer'].includes(url.query.get('sslmode') ?? '');
  const { postgres } = programsIn(packagesFolder(services));
  const has = (folder: string) => isExecutable(join(folder, 'pg_dump'));
  if (!needsTls && has(postgres)) return postgres;
  if (findOnPath('pg_dump', env.PATH) !== undefined) return '';
  return namesIn(DEBIAN)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(DEBIAN, version, 'bin'))
    .find(has);
}

/** Parameters of a URL and libpq's variables for them (its documentation, "Environment Variables"). */
const VARIABLES: Readonly<Record<string, string>> = {
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  options: 'PGOPTIONS',
  connect_timeout: 'PGCONNECT_TIMEOUT',
};

function libpqVariables({ host, port, user, password, database, query }: DatabaseUrl): Environment {
  const parameters = Object.entries(VARIABLES).flatMap(([name, variable]) => {
    const value = query.get(name);
    return value ? [[variable, value] as const] : [];
  });
  return {
    PGHOST: host ?? query.get('host') ?? 'localhost',
    PGPORT: String(port ?? query.get('port') ?? 5432),
    ...(user !== undefined && { PGUSER: user }),
    ...(password !== undefined && { PGPASSWORD: password }),
    ...(database !== undefined && { PGDATABASE: database }),
    ...Object.fromEntries(parameters),
  };
}

async function runTool({ tools, env }: Database, name: string, args: string[]): Promise<string> {
  const { code, output } = await runProgram(tools === '' ? name : join(tools, name), args, { env });
  if (code !== 0) throw new TuneError(`${name} failed:\n${tailOf(output)}`, EXIT.service);
  return output;
}

/** Throws TuneError where the tools do not get at the database, or are older than its server. */
export async function checkTools(database: Database): Promise<void> {
  await runTool(database, 'pg_dump', ['--schema-only', '--file=/dev/null']);
}

/** All of the database as it is at one moment, in pg_dump's own format. */
export async function dumpDatabase(database: Database, file: string): Promise<void> {
  await runTool(database, 'pg_dump', ['--format=custom', '--no-owner', '--no-privileges', `--file=${file}`]);
}

/** How many people have an account: 0 also where Open WebUI has not made its tables yet. */
export async function countUsers(database: Database): Promise<number> {
  const exists = await query(database, "SELECT to_regclass('public.user') IS NOT NULL");
  return exists === 't' ? Number(await query(database, 'SELECT count(*) FROM public."user"')) : 0;
}

async function query(database: Database, sql: string): Promise<string> {
  const output = await runTool(database, 'psql', ['-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-c', sql]);
  return output.trim();
}

/** Drops what is there: tables of a newer version that the dump does not know would stop its migrations. */
const EMPTY = `
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
    WHERE schemaname = current_schema() AND tableowner = current_user
  LOOP EXECUTE 'DROP TABLE IF EXISTS ' || name || ' CASCADE'; END LOOP;
  FOR name IN SELECT t.oid::regtype::text FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = current_schema() AND t.typtype = 'e' AND pg_get_userbyid(t.typowner) = current_user
  LOOP EXECUTE 'DROP TYPE IF EXISTS ' || name || ' CASCADE'; END LOOP;
END $$;
`;

/**
 * Puts a dump in the place of what is there, in one transaction: all of it or nothing. The extension stays as it is: its
 * owner is a superuser. `folder` is for temporary files.
 */
export async function restoreDatabase(database: Database, dump: string, folder: string): Promise<void> {
  const list = await runTool(database, 'pg_restore', ['--list', dump]);
  const entries = list.split('\n').filter((line) => !/^\d+; .* EXTENSION /.test(line));
  const paths = {
    list: join(folder, 'list'),
    empty: join(folder, 'empty.sql'),
    fill: join(folder, 'fill.sql'),
  };
  writeFileSync(paths.list, entries.join('\n'), { mode: 0o600 });
  writeFileSync(paths.empty, EMPTY, { mode: 0o600 });
  await runTool(database, 'pg_restore', [
    ...['--no-owner', '--no-privileges', `--use-list=${paths.list}`, `--file=${paths.fill}`, dump],
  ]);
  await runTool(database, 'psql', [
    ...['-X', '-q', '--single-transaction', '-v', 'ON_ERROR_STOP=1', '-f', paths.empty, '-f', paths.fill],
  ]);
}
