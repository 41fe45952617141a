/** A database that looks like Open WebUI's, and a Python package that says which tables are its own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import type { Scope } from '../../src/base/io/scope.ts';
import { type DatabaseSource, findDatabase } from '../../src/setup/backup/tools.ts';
import { createDatabase } from './postgres.ts';
import { settingsOf } from './settings-of.ts';

/** With a sequence, a foreign key, an index, names that need quotes, and a row that looks like SQL. */
const TABLES = `
  CREATE TABLE "user" (id text PRIMARY KEY, name text NOT NULL);
  CREATE TABLE "group" (id serial PRIMARY KEY, user_id text REFERENCES "user" (id) ON DELETE CASCADE);
  CREATE TABLE chat (id text PRIMARY KEY, user_id text NOT NULL, chat json);
  CREATE INDEX chat_user ON chat (user_id);
  CREATE TABLE file (id text PRIMARY KEY, path text);
  CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
  INSERT INTO "user" VALUES ('u1', E'Émile\\tO''Neil\\n\\\\.\\nSET transaction_timeout = 0;'), ('u2', 'COPY public.chat FROM stdin;');
  INSERT INTO "group" (user_id) VALUES ('u1'), ('u2');
  INSERT INTO chat SELECT 'c' || n, 'u1', json_build_object('text', repeat('public.chat ', n)) FROM generate_series(1, 200) n;
  INSERT INTO file VALUES ('f1', 'uploads/f1_notes.txt');
  INSERT INTO alembic_version VALUES ('a1');
`;

const MODELS = ['user', 'group', 'chat', 'file', 'config']
  .map((name) => `    __tablename__ = '${name}'\n`)
  .join('');

/** Writes the package below `folder`; the environment in which Python finds it. */
export function fakePackage(folder: string): Record<string, string> {
  const models = join(folder, 'open_webui', 'models');
  mkdirSync(models, { recursive: true });
  writeFileSync(join(folder, 'open_webui', '__init__.py'), '');
  writeFileSync(join(models, 'all.py'), MODELS);
  return { PATH: process.env.PATH ?? '', PYTHONPATH: folder };
}

/** A new database, and somebody who looks into it. */
export async function openDatabase(scope: Scope): Promise<{ url: string; client: Client }> {
  const { url } = await createDatabase(scope);
  const client = new Client({ connectionString: url });
  await client.connect();
  // Before the database itself is dropped.
  scope.defer('a client', () => client.end());
  return { url, client };
}

/** Makes the tables in `schema`, and takes away what was there before. */
export async function makeTables(client: Client, schema = 'public'): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT nspname AS name FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$'`,
  );
  for (const { name } of rows) await client.query(`DROP SCHEMA "${name}" CASCADE`);
  await client.query(`CREATE SCHEMA public; CREATE SCHEMA IF NOT EXISTS "${schema}"`);
  await client.query(`SET search_path = "${schema}"; ${TABLES}; SET search_path = public`);
}

/** The settings and tools of such a database. `folder` holds the package. */
export function sourceOf(url: string, folder: string, settings: Record<string, string> = {}): DatabaseSource {
  return {
    settings: settingsOf({ DATABASE_URL: url, ...settings }),
    python: 'python3',
    env: fakePackage(folder),
    // Without embedded ones: those on PATH are used.
    services: join(folder, 'services'),
  };
}

export async function databaseAt(source: DatabaseSource) {
  const database = await findDatabase(source);
  if (!database) throw new Error('it is not PostgreSQL');
  return database;
}

/** All that is in a schema, as text: two that are the same have the same rows, constraints, indexes and sequences. */
export async function contentsOf(client: Client, schema = 'public'): Promise<Record<string, unknown>> {
  const ask = async (sql: string) => (await client.query<Record<string, unknown>>(sql, [schema])).rows;
  const tables = await ask('SELECT tablename AS name FROM pg_tables WHERE schemaname = $1 ORDER BY 1');
  const rows: Record<string, unknown> = {};
  for (const { name } of tables) {
    const of = `"${schema}"."${String(name)}"`;
    rows[String(name)] = (
      await client.query(
        `SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) AS hash, count(*) FROM ${of} t`,
      )
    ).rows;
  }
  return {
    rows,
    constraints: await ask(
      `SELECT conname, pg_get_constraintdef(c.oid) AS text FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace
       WHERE nspname = $1 ORDER BY 1`,
    ),
    indexes: await ask('SELECT indexdef FROM pg_indexes WHERE schemaname = $1 ORDER BY 1'),
    sequences: await ask(
      'SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = $1 ORDER BY 1',
    ),
  };
}
