import { randomBytes } from 'node:crypto';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { Client } from 'pg';
import { Scope } from '../../src/base/io/scope.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { openWebuiEnvironment } from './environment.ts';

const SERVER = process.env.WEBUI_TUNE_TEST_POSTGRES ?? 'postgresql://root@127.0.0.1:5432/postgres';

/** Of pg_advisory_lock: whoever makes the template. */
const TEMPLATE_LOCK = 7_317_041;

async function onServer<T>(run: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: SERVER });
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end();
  }
}

export interface Database {
  url: string;
  password: string;
}

/** An empty database of its own on the running server. */
export function createDatabase(scope: Scope): Promise<Database> {
  return createFrom(scope, 'template1');
}

/**
 * A database of its own with Open WebUI's tables, and nothing in them: a start does not migrate it. It is a copy of one that
 * is made once for each build of the environment, and stays on the server.
 */
export async function createMigratedDatabase(scope: Scope): Promise<Database> {
  return createFrom(scope, await migratedTemplate());
}

/** The URL has a password also where the server trusts local users: it is one of the secrets that must not turn up anywhere. */
async function createFrom(scope: Scope, template: string): Promise<Database> {
  const name = `webui_tune_test_${randomBytes(6).toString('hex')}`;
  await onServer((client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`));
  scope.defer(`database ${name}`, async () => {
    await onServer((client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`));
  });
  const url = urlOf(name);
  if (!url.password) url.password = `database-password-${randomBytes(6).toString('hex')}`;
  return { url: url.href, password: url.password };
}

function urlOf(name: string): URL {
  const url = new URL(SERVER);
  url.pathname = name;
  return url;
}

/** Makes it where it is not there yet. It gets its name last: without it, it is half a database. */
async function migratedTemplate(): Promise<string> {
  const build = basename(openWebuiEnvironment().folder).replaceAll(/\W/g, '_');
  const [name, unfinished] = [`webui_tune_${build}`, `webui_tune_${build}_unfinished`];
  await onServer(async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rowCount !== 0) return;
    await client.query(`DROP DATABASE IF EXISTS ${unfinished} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${unfinished}`);
    await migrate(urlOf(unfinished).href);
    await client.query(`ALTER DATABASE ${unfinished} RENAME TO ${name}`);
  });
  return name;
}

/** Open WebUI migrates when this module is imported. */
async function migrate(url: string): Promise<void> {
  const scope = new Scope();
  try {
    const folder = await temporaryFolder(scope, 'migrate');
    await execa(openWebuiEnvironment().python, ['-c', 'import open_webui.config'], {
      cwd: folder,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: folder,
        DATABASE_URL: url,
        DATA_DIR: join(folder, 'data'),
        STATIC_DIR: join(folder, 'static'),
        FROM_INIT_PY: 'true',
        WEBUI_SECRET_KEY: 'of no installation',
        HF_HUB_OFFLINE: '1',
      },
      extendEnv: false,
    });
  } finally {
    await scope.close();
  }
}
