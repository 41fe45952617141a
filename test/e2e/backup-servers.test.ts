/** Backups by the embedded tools, PostgreSQL 18, of servers of 15, 16 and 18, and the way back; with pgvector on the last two. */
import { join } from 'node:path';
import { Client } from 'pg';
import { expect, it } from 'vitest';
import type { Scope } from '../../src/base/io/scope.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { dumpDatabase, proveDump, restoreDatabase } from '../../src/setup/backup/database.ts';
import { installPackages, startEmbeddedPostgres } from '../kit/embedded-postgres.ts';
import { contentsOf, databaseAt, makeTables, openDatabase, sourceOf } from '../kit/open-webui-tables.ts';
import { startPostgres16, whyNoPostgres16 } from '../kit/postgres16.ts';
import { useScope } from '../kit/vitest.ts';

const missing = whyNoPostgres16();
if (missing !== undefined) process.stderr.write(`skipped: backups of PostgreSQL 16. ${missing}\n`);

const scope = useScope();

interface Server {
  major: number;
  /** Starts it; the URL is of a role that is no superuser where it has pgvector. */
  start: (scope: Scope) => Promise<string>;
}

const WITH_VECTORS: readonly Server[] = [
  ...(missing === undefined ? [{ major: 16, start: startPostgres16 }] : []),
  { major: 18, start: async (scope) => (await startEmbeddedPostgres(scope)).url },
];
const SERVERS: readonly Server[] = [
  { major: 15, start: async (scope) => (await openDatabase(scope)).url },
  ...WITH_VECTORS,
];

/** A server of that version, with the tools of 18. */
async function begin({ major, start }: Server) {
  const services = await temporaryFolder(scope, 'services');
  const programs = await installPackages(services);
  const url = await start(scope);
  const client = new Client({ connectionString: url });
  await client.connect();
  scope.defer('a client', () => client.end());
  const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
  expect(rows[0]?.server_version).toMatch(new RegExp(`^${major}\\.`));
  const folder = await temporaryFolder(scope, 'tools');
  const database = await databaseAt({ ...sourceOf(url, folder), services });
  expect(database.tools).toBe(programs.postgres);
  return { client, database, dump: join(folder, 'dump') };
}

it.each(SERVERS)('dumps, proves and restores a server of PostgreSQL $major', async (server) => {
  const { client, database, dump } = await begin(server);
  await makeTables(client);
  const before = await contentsOf(client);
  const tables = await dumpDatabase(database, dump);
  await proveDump(database, dump, tables);
  await client.query('DELETE FROM chat');
  await restoreDatabase(database, dump, tables);
  expect(await contentsOf(client)).toEqual(before);
});

it.each(WITH_VECTORS)(
  'keeps the vectors of PostgreSQL $major, with their index, by a role that may not create the extension',
  async (server) => {
    const { client, database, dump } = await begin(server);
    const { rows } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = current_user AND rolsuper');
    expect(rows).toEqual([]);
    await client.query(`
      CREATE TABLE "user" (id text PRIMARY KEY);
      CREATE TABLE document_chunk (id text PRIMARY KEY, vector vector(3), text text, vmetadata jsonb);
      CREATE INDEX idx_document_chunk_vector ON document_chunk USING hnsw (vector vector_cosine_ops);
      INSERT INTO document_chunk SELECT n::text, ARRAY[n, 1, 1]::vector, 'words', '{}' FROM generate_series(1, 50) n;
    `);
    const own = { ...database, tables: ['user', 'document_chunk'] };
    const before = await contentsOf(client);
    const tables = await dumpDatabase(own, dump);
    await proveDump(own, dump, tables);
    await client.query('DELETE FROM document_chunk');
    await restoreDatabase(own, dump, tables);
    expect(await contentsOf(client)).toEqual(before);
  },
);
