/** Backups by the embedded tools, PostgreSQL 18, of an older server, and the way back; with pgvector on a server of 18. */
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { dumpDatabase, proveDump, restoreDatabase } from '../../src/setup/backup/database.ts';
import { installPackages, startEmbeddedPostgres } from '../kit/embedded-postgres.ts';
import { contentsOf, databaseAt, makeTables, openDatabase, sourceOf } from '../kit/open-webui-tables.ts';
import { useScope } from '../kit/vitest.ts';

const scope = useScope();

it('dumps and restores a server that is older than its tools', async () => {
  const folder = await temporaryFolder(scope, 'tools');
  const services = await temporaryFolder(scope, 'services');
  const programs = await installPackages(services);
  const { url, client } = await openDatabase(scope);
  await makeTables(client);
  const database = await databaseAt({ ...sourceOf(url, folder), services });
  expect(database.tools).toBe(programs.postgres);
  const before = await contentsOf(client);
  const dump = join(folder, 'dump');
  const tables = await dumpDatabase(database, dump);
  await proveDump(database, dump, tables);
  await client.query('DELETE FROM chat');
  await restoreDatabase(database, dump, tables);
  expect(await contentsOf(client)).toEqual(before);
});

it('keeps vectors, with their index, by a role that may not create the extension', async () => {
  const folder = await temporaryFolder(scope, 'vectors');
  await chmod(folder, 0o755);
  const server = await startEmbeddedPostgres(scope);
  const client = new Client({ connectionString: server.url });
  await client.connect();
  scope.defer('a client', () => client.end());
  await client.query(`
    CREATE TABLE "user" (id text PRIMARY KEY);
    CREATE TABLE document_chunk (id text PRIMARY KEY, vector vector(3), text text, vmetadata jsonb);
    CREATE INDEX idx_document_chunk_vector ON document_chunk USING hnsw (vector vector_cosine_ops);
    INSERT INTO document_chunk SELECT n::text, ARRAY[n, 1, 1]::vector, 'words', '{}' FROM generate_series(1, 50) n;
  `);
  const source = sourceOf(server.url, folder);
  const database = {
    ...(await databaseAt({ ...source, services: server.services })),
    tables: ['user', 'document_chunk'],
  };
  const before = await contentsOf(client);
  const dump = join(folder, 'dump');
  const tables = await dumpDatabase(database, dump);
  await proveDump(database, dump, tables);
  await client.query('DELETE FROM document_chunk');
  await restoreDatabase(database, dump, tables);
  expect(await contentsOf(client)).toEqual(before);
});
