/** Dumps that are known to restore, and nothing but Open WebUI's own tables; with the PostgreSQL that the tests need. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  countUsers,
  dumpDatabase,
  migrationOf,
  proveDump,
  restoreDatabase,
  wasCommitted,
} from '../../../src/setup/backup/database.ts';
import { copyToSchema, dropSchema } from '../../../src/setup/backup/scratch.ts';
import { contentsOf, databaseAt, makeTables, openDatabase, sourceOf } from '../../kit/open-webui-tables.ts';
import { temporaryFolder } from '../../kit/temporary.ts';
import { useScope } from '../../kit/vitest.ts';

const scope = useScope();
let url: string;
let client: Client;

beforeAll(async () => {
  ({ url, client } = await openDatabase(scope));
});

async function setUp(schema = 'public', settings: Record<string, string> = {}) {
  const folder = temporaryFolder();
  await makeTables(client, schema);
  const source = sourceOf(url, folder, settings);
  return { folder, source, database: await databaseAt(source), dump: join(folder, 'dump') };
}

it('was migrated where Alembic says so, or where columns have changed that it has not noted', async () => {
  const { database } = await setUp();
  const before = await migrationOf(database);
  await client.query('DELETE FROM chat; CREATE TABLE theirs (id int)');
  expect(await migrationOf(database)).toBe(before);
  await client.query('ALTER TABLE chat ADD COLUMN half int');
  expect(await migrationOf(database)).not.toBe(before);
  await client.query(`ALTER TABLE chat DROP COLUMN half; UPDATE alembic_version SET version_num = 'a2'`);
  expect(await migrationOf(database)).not.toBe(before);
  await client.query('DROP TABLE theirs');
});

describe('a dump', () => {
  it('is proven in temporary tables, and leaves nothing behind', async () => {
    const { folder, database, dump } = await setUp();
    const before = await contentsOf(client);
    const tables = await dumpDatabase(database, dump);
    expect(tables.find(({ name }) => name === 'chat')).toEqual({ schema: 'public', name: 'chat', rows: 200 });
    await proveDump(database, dump, tables);
    expect(await contentsOf(client)).toEqual(before);
    expect(readdirSync(folder).sort()).toEqual(['dump', 'open_webui']);
    const fewer = tables.map((table) => (table.name === 'chat' ? { ...table, rows: 199 } : table));
    await expect(proveDump(database, dump, fewer)).rejects.toThrow(
      'chat has 199 rows, and the dump restores 200',
    );
  });

  it('comes back row by row, with keys, indexes and sequences', async () => {
    const { database, dump } = await setUp();
    const before = await contentsOf(client);
    const tables = await dumpDatabase(database, dump);
    await client.query(`DELETE FROM chat; DROP TABLE file; UPDATE "user" SET name = 'x'`);
    let transaction = '';
    await restoreDatabase(database, dump, tables, (id) => {
      transaction = id;
    });
    expect(await contentsOf(client)).toEqual(before);
    expect(await wasCommitted(database, transaction)).toBe(true);
  });

  it('changes nothing where it cannot be restored as a whole', async () => {
    const { database, dump } = await setUp();
    const tables = await dumpDatabase(database, dump);
    await client.query('DELETE FROM chat');
    const before = await contentsOf(client);
    let transaction = '';
    const refused = restoreDatabase(database, dump, tables, (id) => {
      transaction = id;
      throw new Error('the disk is full');
    });
    await expect(refused).rejects.toThrow('the disk is full');
    expect(await wasCommitted(database, transaction)).toBe(false);
    const wrong = tables.map((table) => ({ ...table, rows: table.rows + 1 }));
    await expect(restoreDatabase(database, dump, wrong)).rejects.toThrow('rows, and the dump restores');
    expect(await contentsOf(client)).toEqual(before);
  });

  it('needs tables', async () => {
    const { database, dump } = await setUp();
    await client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
    expect(await countUsers(database)).toBeUndefined();
    await expect(dumpDatabase(database, dump)).rejects.toThrow('has no tables in');
  });
});

describe('a database that others use too', () => {
  it('keeps their tables, functions and schemas', async () => {
    const { database, dump } = await setUp();
    await client.query(`
      CREATE SCHEMA shop; CREATE TABLE shop.orders (n int); INSERT INTO shop.orders VALUES (1);
      CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE colour AS ENUM ('red');
      CREATE TABLE orders (n int, c colour); INSERT INTO orders VALUES (1);
    `);
    const tables = await dumpDatabase(database, dump);
    expect(tables.map(({ name }) => name)).not.toContain('orders');
    await client.query(
      `INSERT INTO orders VALUES (2); CREATE TABLE newer (n int); INSERT INTO shop.orders VALUES (2)`,
    );
    const before = await contentsOf(client);
    await client.query('DELETE FROM chat');
    await restoreDatabase(database, dump, tables);
    expect(await contentsOf(client)).toEqual(before);
    expect((await client.query('SELECT count(*) FROM shop.orders')).rows).toEqual([{ count: '2' }]);
  });

  it('is refused where somebody has built on a table', async () => {
    const { database, dump } = await setUp();
    const tables = await dumpDatabase(database, dump);
    await client.query('CREATE TABLE theirs (user_id text REFERENCES "user" (id))');
    const before = await contentsOf(client);
    await expect(restoreDatabase(database, dump, tables)).rejects.toThrow(/theirs_user_id_fkey/);
    expect(await contentsOf(client)).toEqual(before);
  });

  it('gets no table of another application out of an older backup', async () => {
    const { database, dump } = await setUp();
    await client.query('CREATE TABLE orders (n int)');
    // As earlier versions dumped: all that is there.
    await dumpDatabase({ ...database, tables: [...database.tables, 'orders'] }, dump);
    const before = await contentsOf(client);
    await expect(restoreDatabase(database, dump, undefined)).rejects.toThrow(
      'not Open WebUI’s: public.orders',
    );
    expect(await contentsOf(client)).toEqual(before);
  });
});

describe('a schema of its own', () => {
  it.each([
    ['DATABASE_SCHEMA', { DATABASE_SCHEMA: 'owui' }, 'public'],
    ['the search path of the database', {}, 'owui'],
  ])('is found by %s', async (_, settings, path) => {
    const { database, dump } = await setUp('owui', settings);
    await client.query(`ALTER DATABASE "${new URL(url).pathname.slice(1)}" SET search_path = ${path}`);
    expect(await countUsers(database)).toBe(2);
    const before = await contentsOf(client, 'owui');
    const tables = await dumpDatabase(database, dump);
    await proveDump(database, dump, tables);
    await client.query('DELETE FROM owui.chat; CREATE TABLE public.chat (theirs int)');
    await restoreDatabase(database, dump, tables);
    expect(await contentsOf(client, 'owui')).toEqual(before);
    expect((await client.query('SELECT theirs FROM public.chat')).rows).toEqual([]);
    await client.query(`ALTER DATABASE "${new URL(url).pathname.slice(1)}" RESET search_path`);
  });

  it('is where a backup of another schema goes', async () => {
    const { folder, database, dump } = await setUp();
    const before = await contentsOf(client);
    const tables = await dumpDatabase(database, dump);
    const other = await databaseAt(sourceOf(url, folder, { DATABASE_SCHEMA: 'Its own' }));
    await restoreDatabase(other, dump, tables);
    expect(await contentsOf(client)).toEqual(before);
    const { rows } = await contentsOf(client, 'Its own');
    expect(rows).toEqual(before.rows);
  });
});

describe('the environment of the tools', () => {
  it('names no other server, database or schema', async () => {
    const { folder, source } = await setUp();
    const database = await databaseAt({
      ...source,
      env: {
        ...source.env,
        PGHOSTADDR: '127.0.0.9',
        PGSERVICE: 'other',
        PGOPTIONS: '-c search_path=x',
        PGPASSFILE: join(folder, 'pgpass'),
      },
    });
    expect(await countUsers(database)).toBe(2);
    expect(
      Object.keys(database.env)
        .filter((name) => name.startsWith('PG'))
        .sort(),
    ).toEqual(['PGDATABASE', 'PGHOST', 'PGPASSFILE', 'PGPASSWORD', 'PGPORT', 'PGUSER']);
  });
});

describe('a copy in a schema of its own', () => {
  it.each(['public', 'elsewhere'])('of tables in %s has all rows, and hides the original', async (schema) => {
    const { database, dump } = await setUp(schema, schema === 'public' ? {} : { DATABASE_SCHEMA: schema });
    const before = await contentsOf(client, schema);
    const { PGOPTIONS } = await copyToSchema(database, 'the copy', dump);
    const copy = await contentsOf(client, 'the copy');
    expect([copy.rows, copy.sequences]).toEqual([before.rows, before.sequences]);
    const visitor = new Client({ connectionString: url, options: PGOPTIONS });
    await visitor.connect();
    await visitor.query(`DROP TABLE chat; UPDATE "user" SET name = 'x'; CREATE TABLE new (n int)`);
    await expect(visitor.query('SELECT FROM chat')).rejects.toThrow('does not exist');
    await visitor.end();
    expect(await contentsOf(client, schema)).toEqual(before);
    for (const _ of ['there', 'gone']) await dropSchema(database, 'the copy');
    expect(Object.keys((await contentsOf(client, 'the copy')).rows as object)).toEqual([]);
  });
});
