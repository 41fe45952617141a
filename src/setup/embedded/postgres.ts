import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { LOOPBACK } from '../../base/io/address.ts';
import type { Environment } from '../../base/io/environment.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import { servicePaths } from '../../facts/embedded/folder.ts';
import { DATABASE, type Installed } from '../../facts/embedded/installed.ts';
import { POSTGRES_MAJOR, type Programs } from '../../facts/embedded/packages.ts';
import { type Account, giveTo } from './account.ts';
import type { Passwords } from './passwords.ts';

export const SUPERUSER = 'postgres';

/** Whether there is a database cluster. Throws TuneError for one of another version, which is left as it is. */
export function hasPostgresData(services: string): boolean {
  const { postgresData } = servicePaths(services);
  const path = join(postgresData, 'PG_VERSION');
  if (!existsSync(postgresData)) return false;
  const version = existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
  if (version === String(POSTGRES_MAJOR)) return true;
  if (version === undefined) {
    throw new TuneError(`${postgresData} is no data folder of PostgreSQL`, EXIT.service, [
      'see what it is, move it away, and run webui-tune up again',
    ]);
  }
  throw new TuneError(
    `${postgresData} was made by PostgreSQL ${version}, and this webui-tune brings ${POSTGRES_MAJOR}: it is left as it is`,
    EXIT.service,
    [
      'save it with the webui-tune that made it: webui-tune backup FILE',
      `then: mv ${postgresData} ${postgresData}-${version} && webui-tune up && webui-tune restore FILE`,
    ],
  );
}

/**
 * Makes the database cluster, under another name until it is complete, so that the real name never has half of one.
 * `account` runs initdb, and owns it.
 */
export async function initPostgres(
  services: string,
  { postgres }: Programs,
  { superuser }: Passwords,
  { account, env }: { account: Account | undefined; env: Environment },
): Promise<void> {
  const { postgresData, postgresConfig } = servicePaths(services);
  const unfinished = `${postgresData}.unfinished`;
  const passwordFile = `${postgresData}.password`;
  rmSync(unfinished, { recursive: true, force: true });
  try {
    mkdirSync(unfinished, { mode: 0o700 });
    giveTo(account, unfinished);
    writeFileSync(passwordFile, superuser, { mode: 0o600 });
    giveTo(account, passwordFile);
    const args = [
      ...['-D', unfinished, '-U', SUPERUSER, `--pwfile=${passwordFile}`, '--auth=scram-sha-256'],
      // Right for every language, and the same on every system; --locale=C finds no Émile for émile.
      ...['--encoding=UTF8', '--locale-provider=builtin', '--locale=C.UTF-8'],
    ];
    const { code, output } = await runProgram(join(postgres, 'initdb'), args, {
      env: initdbEnvironment(env),
      cwd: services,
      account,
    });
    if (code !== 0) {
      const isFull = /No space left on device/.test(output);
      throw new TuneError(
        `initdb failed:\n${tailOf(output)}`,
        EXIT.service,
        isFull ? ['make room on the disk'] : [],
      );
    }
    appendFileSync(
      join(unfinished, 'postgresql.conf'),
      `\ninclude = '${postgresConfig.replaceAll("'", "''")}'\n`,
    );
    renameSync(unfinished, postgresData);
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** Another account runs it, which must get none of our settings and secrets. */
export function initdbEnvironment({ PATH, TZ }: Environment): Environment {
  return { ...(PATH !== undefined && { PATH }), ...(TZ !== undefined && { TZ }), LC_ALL: 'C' };
}

/** Whether Open WebUI's role gets in and finds pgvector. */
export async function isDatabaseReady(installed: Installed, { openwebui }: Passwords): Promise<boolean> {
  try {
    const client = await connect(installed, DATABASE, openwebui, DATABASE);
    try {
      const { rowCount } = await client.query("SELECT 1 FROM pg_extension WHERE extname = 'vector'");
      return rowCount === 1;
    } finally {
      await client.end();
    }
  } catch {
    return false;
  }
}

/**
 * Makes the role, the database and the extension as the superuser: pgvector's control file is not "trusted", so that
 * nobody else can create the extension. What exists stays, except for the role's password.
 */
export async function prepareDatabase(
  installed: Installed,
  { superuser, openwebui }: Passwords,
): Promise<void> {
  const server = await connect(installed, SUPERUSER, superuser, 'postgres');
  try {
    const { rowCount: roles } = await server.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [DATABASE]);
    const password = server.escapeLiteral(openwebui);
    await server.query(`${roles ? 'ALTER' : 'CREATE'} ROLE ${DATABASE} LOGIN PASSWORD ${password}`);
    const { rowCount: bases } = await server.query('SELECT 1 FROM pg_database WHERE datname = $1', [
      DATABASE,
    ]);
    if (!bases) await server.query(`CREATE DATABASE ${DATABASE} OWNER ${DATABASE}`);
  } finally {
    await server.end();
  }
  const database = await connect(installed, SUPERUSER, superuser, DATABASE);
  try {
    await database.query('CREATE EXTENSION IF NOT EXISTS vector');
  } finally {
    await database.end();
  }
}

async function connect({ postgresPort }: Installed, user: string, password: string, database: string) {
  const { default: pg } = await import('pg');
  const client = new pg.Client({
    host: LOOPBACK,
    port: postgresPort,
    user,
    password,
    database,
    connectionTimeoutMillis: 5_000,
    application_name: 'webui-tune',
  });
  client.on('error', () => {});
  await client.connect();
  return client;
}
