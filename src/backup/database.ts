import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packagesFolder, programsIn } from '../embedded/packages.ts';
import { EXIT, TuneError } from '../errors.ts';
import { runProgram, tailOf } from '../io/run.ts';
import { findOnPath } from '../openwebui/path.ts';
import { type DatabaseUrl, databaseUrl, readDatabaseUrl } from '../services/urls.ts';
import type { Environment } from '../types.ts';
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
  const url = readDatabaseUrl('DATABASE_URL', databaseUrl(settings) ?? '');
  return {
    tools: toolsFor(setup, url, database.answer.up ? database.answer.version : ''),
    env: { ...setup.env, ...libpqVariables(url) },
    where: database.where,
  };
}

/** Those of the embedded PostgreSQL, which know every older server; but its build cannot do TLS. */
function toolsFor(setup: Setup, url: DatabaseUrl, server: string): string {
  const needsTls = !['', 'disable', 'allow', 'prefer'].includes(url.query.get('sslmode') ?? '');
  const { postgres } = programsIn(packagesFolder(setup.services));
  if (!needsTls && findOnPath('pg_dump', postgres) !== undefined) return postgres;
  if (findOnPath('pg_dump', setup.env.PATH) !== undefined) return '';
  throw new TuneError('there is no pg_dump', EXIT.service, [
    `install PostgreSQL’s client programs, of version ${server.split('.')[0] || 'your server'} or newer`,
  ]);
}

function libpqVariables({ host, port, user, password, database, query }: DatabaseUrl): Environment {
  return {
    PGHOST: host ?? query.get('host') ?? 'localhost',
    PGPORT: String(port ?? query.get('port') ?? 5432),
    ...(user !== undefined && { PGUSER: user }),
    ...(password !== undefined && { PGPASSWORD: password }),
    ...(database !== undefined && { PGDATABASE: database }),
    ...(query.get('sslmode') && { PGSSLMODE: query.get('sslmode') ?? '' }),
    ...(query.get('sslrootcert') && { PGSSLROOTCERT: query.get('sslrootcert') ?? '' }),
  };
}

async function runTool({ tools, env }: Database, name: string, args: string[]): Promise<string> {
  const { code, output } = await runProgram(tools === '' ? name : join(tools, name), args, { env });
  if (code !== 0) throw new TuneError(`${name} failed:\n${tailOf(output)}`, EXIT.service);
  return output;
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
