import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { spawnOptions } from '../../base/io/interrupts.ts';
import { findOnPath, isExecutable } from '../../base/io/path.ts';
import { namesIn } from '../../base/io/read.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import type { Pacer } from '../../base/machine/pacer.ts';
import { packagesFolder, programsIn } from '../../facts/embedded/packages.ts';
import { type DatabaseUrl, databaseUrl, parseDatabaseUrl, whereOf } from '../../facts/services/urls.ts';
import type { Settings } from '../../facts/types.ts';
import { knownTables } from './tables.ts';

/** PostgreSQL's own tools, and the database that they work on. */
export interface Database {
  /** Folder of pg_dump, pg_restore and psql; empty: those on PATH. */
  tools: string;
  /** With the connection in libpq's variables: a command line is for everybody to read. */
  env: Environment;
  where: string;
  /** DATABASE_SCHEMA; undefined: the first of the role's search path. */
  schema?: string;
  /** Names of Open WebUI's tables. Nothing else in the database is read or changed. */
  tables: readonly string[];
}

/** What a database is found by. */
export interface DatabaseSource {
  settings: Settings;
  /** The interpreter that has Open WebUI. */
  python: string;
  env: Environment;
  /** Folder of the embedded services, whose tools are used. */
  services: string;
}

/** The database of Open WebUI, where it is PostgreSQL. Throws TuneError where there are no tools for it. */
export async function findDatabase(source: DatabaseSource): Promise<Database | undefined> {
  const { settings, python, env, services } = source;
  const text = databaseUrl(settings);
  const url = text === undefined ? undefined : parseDatabaseUrl(text);
  if (url?.scheme !== 'postgresql') return undefined;
  if (settings.get('DATABASE_ENABLE_IAM_TOKEN_AUTH')?.value.toLowerCase() === 'true') {
    throw new TuneError(
      'the password of the database is a token of AWS, valid for minutes (DATABASE_ENABLE_IAM_TOKEN_AUTH): pg_dump and psql cannot ask for it',
      EXIT.settings,
      ['let RDS make snapshots of the database; uploads and WEBUI_SECRET_KEY have to be copied beside them'],
    );
  }
  const tools = toolsFor(url, env, services);
  if (tools === undefined) {
    throw new TuneError('there is no pg_dump', EXIT.service, [
      'install PostgreSQL’s client programs, of your server’s version or a newer one',
    ]);
  }
  const schema = settings.get('DATABASE_SCHEMA')?.value;
  return {
    tools,
    env: { ...withoutLibpq(env), ...libpqVariables(url) },
    where: whereOf(url),
    ...(schema && { schema }),
    tables: await knownTables(python, env),
  };
}

/** Where Debian has PostgreSQL's programs, by version; on PATH is a wrapper that takes the newest for a PGHOST. */
const DEBIAN = '/usr/lib/postgresql';

/**
 * Those of the embedded PostgreSQL, which know every older server; but its build cannot do TLS. Empty: those on PATH. An
 * older pg_dump refuses a newer server: checkTools.
 */
function toolsFor(url: DatabaseUrl, env: Environment, services: string): string | undefined {
  const needsTls =
    !['', 'disable', 'allow', 'prefer'].includes(url.query.get('sslmode') ?? '') ||
    url.query.get('channel_binding') === 'require';
  const { postgres } = programsIn(packagesFolder(services));
  const has = (folder: string) => isExecutable(join(folder, 'pg_dump'));
  if (!needsTls && has(postgres)) return postgres;
  if (findOnPath('pg_dump', env.PATH) !== undefined) return '';
  return namesIn(DEBIAN)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(DEBIAN, version, 'bin'))
    .find(has);
}

/**
 * The environment without libpq's variables: PGHOSTADDR or PGSERVICE name another server, PGOPTIONS another schema. Files
 * that hold a password or a certificate stay: the URL may rely on them.
 */
function withoutLibpq(env: Environment): Environment {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !name.startsWith('PG') || /^PG(?:PASSFILE$|SSL)/.test(name)),
  );
}

/** Parameters of a URL and libpq's variables for them (its documentation, "Environment Variables"). */
const VARIABLES: Readonly<Record<string, string>> = {
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslcrl: 'PGSSLCRL',
  sslcrldir: 'PGSSLCRLDIR',
  sslsni: 'PGSSLSNI',
  sslnegotiation: 'PGSSLNEGOTIATION',
  ssl_min_protocol_version: 'PGSSLMINPROTOCOLVERSION',
  ssl_max_protocol_version: 'PGSSLMAXPROTOCOLVERSION',
  require_auth: 'PGREQUIREAUTH',
  channel_binding: 'PGCHANNELBINDING',
  gssencmode: 'PGGSSENCMODE',
  krbsrvname: 'PGKRBSRVNAME',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
  hostaddr: 'PGHOSTADDR',
  passfile: 'PGPASSFILE',
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

/** Path of one of the tools. */
export function toolOf({ tools }: Database, name: string): string {
  return tools === '' ? name : join(tools, name);
}

/** Runs one of the tools to its end; what it printed. Throws TuneError. */
export async function runTool(database: Database, name: string, args: readonly string[]): Promise<string> {
  const { code, output } = await runProgram(toolOf(database, name), args, { env: database.env });
  if (code !== 0) throw toolFailed(name, output);
  return output;
}

/** Starts one of the tools: what it prints, as it comes, and a promise that it ended well. */
export function startTool(
  database: Database,
  name: string,
  args: readonly string[],
): { output: Readable; ended: Promise<void> } {
  const child = spawn(toolOf(database, name), args, {
    env: database.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...spawnOptions(),
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-10_000);
  });
  const ended = once(child, 'close').then(([code]) => {
    if (code !== 0) throw toolFailed(name, errors);
  });
  // It is awaited after the output, which may fail first.
  ended.catch(() => {});
  return { output: child.stdout, ended };
}

/** Writes what one of the tools prints into a new file, which only its owner may read. Throws TuneError. */
export async function saveOutput(
  { database, file: path, pacer }: { database: Database; file: string; pacer: Pacer | undefined },
  name: string,
  args: readonly string[],
): Promise<void> {
  const file = await open(path, 'w', 0o600).catch((error: unknown) => {
    throw notWritten(path, error);
  });
  try {
    const { output, ended } = startTool(database, name, args);
    for await (const chunk of paced(output, pacer)) await writeAll(file, path, chunk);
    await ended;
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, path: string, bytes: Buffer): Promise<void> {
  try {
    for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
  } catch (error) {
    throw notWritten(path, error);
  }
}

function notWritten(path: string, error: unknown): unknown {
  const code = systemCode(error);
  if (code === undefined) return error;
  const reason = code === 'ENOSPC' ? 'no space left' : code;
  return new TuneError(`${path} cannot be written: ${reason}`, EXIT.output);
}

/** Hands the pieces on; with a pacer, with pauses: what prints them waits, as nobody reads. */
export async function* paced(
  chunks: AsyncIterable<Buffer>,
  pacer: Pacer | undefined,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    yield chunk;
    await pacer?.pace();
  }
}

export function toolFailed(name: string, output: string): TuneError {
  return new TuneError(`${name} failed:\n${tailOf(output)}`, EXIT.service);
}
