import { createHash } from 'node:crypto';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Pacer } from '../../base/machine/pacer.ts';
import { points } from '../journal/points.ts';
import { Psql } from './psql.ts';
import { listOf, objectsOf, replay } from './replay.ts';
import { quote } from './rewrite.ts';
import { type Database, runTool, saveOutput } from './tools.ts';

/** A table, and how many rows it has. */
export interface TableRows {
  schema: string;
  name: string;
  rows: number;
}

type Table = Omit<TableRows, 'rows'>;

/** Milliseconds that we wait for a table which somebody else is using. */
const LOCK_TIMEOUT = 60_000;

/** Of one advisory lock: two restores at once wait for each other. Any number would do. */
const ADVISORY_LOCK = 8_677_110_921;

/** Throws TuneError where the tools do not get at the database, or are older than its server. */
export async function checkTools(database: Database): Promise<void> {
  const tables = await Psql.with(database, (psql) => ownTables(psql, database));
  await runTool(database, 'pg_dump', ['--schema-only', '--file=/dev/null', ...patternsOf(tables)]);
}

/** How many people have an account; undefined: Open WebUI has not made its tables yet. */
export function countUsers(database: Database): Promise<number | undefined> {
  return Psql.with(database, async (psql) => {
    const tables = await ownTables(psql, database);
    if (tables.length === 0) return undefined;
    const users = tables.filter(({ name }) => name === 'user');
    return (await countRows(psql, users))[0]?.rows ?? 0;
  });
}

/**
 * What Open WebUI's migrations have made: the one that Alembic notes, and a digest of all columns, for what was committed
 * before it is noted. Two that are alike: nothing was migrated between them. Throws TuneError.
 */
export function migrationOf(database: Database): Promise<string> {
  return Psql.with(database, async (psql) => {
    const tables = await ownTables(psql, database);
    if (tables.length === 0) return '';
    const names = tables.map(({ schema, name }) => `(${literal(schema)}, ${literal(name)})`).join(', ');
    const columns = await psql.ask(
      `SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns
       WHERE (table_schema, table_name) IN (${names}) ORDER BY 1, 2, 3`,
    );
    const alembic = tables.find(({ name }) => name === 'alembic_version');
    const versions = alembic
      ? await psql.ask(`SELECT version_num FROM ${qualified(alembic)} ORDER BY 1`)
      : [];
    const digest = createHash('sha256').update(JSON.stringify(columns)).digest('hex');
    return [...versions.flat(), digest].join(' ');
  });
}

/** Bytes of Open WebUI's tables on the server's disk, without their indexes. Throws TuneError. */
export function tablesSize(database: Database): Promise<number> {
  return Psql.with(database, async (psql) => {
    const names = (await ownTables(psql, database)).map((table) => literal(qualified(table)));
    if (names.length === 0) return 0;
    return Number(
      await psql.askOne(
        `SELECT sum(pg_table_size(name::regclass)) FROM unnest(ARRAY[${names.join(', ')}]) name`,
      ),
    );
  });
}

/**
 * Open WebUI's tables as they are at one moment, in pg_dump's own format, with the rows that each had then. Throws
 * TuneError; where there are no tables too. `vectors`: whether with the rows of the vector store. `pacer` pauses it while others
 * need the processors; absent: the service waits for it.
 */
export function dumpDatabase(
  database: Database,
  file: string,
  { vectors = true, pacer }: { vectors?: boolean; pacer?: Pacer } = {},
): Promise<TableRows[]> {
  return Psql.with(database, async (psql) => {
    await psql.ask('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const snapshot = await psql.askOne('SELECT pg_export_snapshot()');
    const tables = await ownTables(psql, database);
    if (tables.length === 0) {
      throw new TuneError(`Open WebUI has no tables in ${database.where} yet`, EXIT.service, [
        'start it once: it makes them',
      ]);
    }
    const empty = tables.filter(({ name }) => !vectors && isVector(name));
    await saveOutput({ database, file, pacer }, 'pg_dump', [
      // The least compression: a larger file, and less of the processors that users need.
      ...['--format=custom', '--compress=1', '--no-owner', '--no-privileges', `--snapshot=${snapshot}`],
      ...patternsOf(tables),
      ...empty.map((table) => `--exclude-table-data=${qualified(table)}`),
    ]);
    return countRows(
      psql,
      tables.filter((table) => !empty.includes(table)),
    );
  });
}

/**
 * Restores a dump into temporary tables, which nobody else sees and which are gone with the session, and counts their
 * rows. `pacer` as for dumpDatabase. Throws TuneError where the dump is not what it ought to be.
 */
export function proveDump(
  database: Database,
  dump: string,
  expected: readonly TableRows[],
  pacer?: Pacer,
): Promise<void> {
  return Psql.with(database, async (psql) => {
    await psql.ask('BEGIN');
    // One core is enough for the indexes of a copy.
    await psql.ask('SET LOCAL max_parallel_maintenance_workers = 0');
    // For many vectors, their index alone takes minutes to build.
    const list = (await listOf(database, dump)).filter(
      (entry) => !/ INDEX .* idx_document_chunk_vector /.test(entry),
    );
    await replay(psql, database, { dump, list, schemaFor: () => 'pg_temp', ...(pacer && { pacer }) });
    await expectRows(
      psql,
      expected.map((table) => ({ ...table, schema: 'pg_temp' })),
    );
  });
}

/**
 * Puts a dump in the place of Open WebUI's tables, in one transaction: all of it or nothing. `beforeCommit` gets the
 * number by which `wasCommitted` knows the transaction. Throws TuneError.
 */
export function restoreDatabase(
  database: Database,
  dump: string,
  expected: readonly TableRows[] | undefined,
  beforeCommit: (transaction: string) => void = () => {},
): Promise<void> {
  return Psql.with(database, async (psql) => {
    await psql.ask('BEGIN');
    await psql.ask(`SELECT pg_advisory_xact_lock(${ADVISORY_LOCK})`);
    await psql.ask(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT}`);
    const schemas = await schemasOf(psql, database);
    const schemaFor = (name: string) => (isVector(name) ? schemas.vectors : schemas.tables);
    const list = await listOf(database, dump);
    const unknown = objectsOf(list).filter(
      ({ type, name }) => type === 'TABLE' && !database.tables.includes(name),
    );
    if (unknown.length > 0) {
      const names = unknown.map(({ schema, name }) => `${schema}.${name}`).join(', ');
      throw new TuneError(`in the backup are tables that are not Open WebUI’s: ${names}`, EXIT.usage, [
        'nothing was changed; pg_restore puts back what you choose of the file database.dump in it',
      ]);
    }
    await dropTables(psql, database);
    points.reach('tables dropped');
    for (const schema of new Set(Object.values(schemas))) await makeSchema(psql, schema);
    await replay(psql, database, { dump, list, schemaFor });
    await expectRows(
      psql,
      (expected ?? []).map((table) => ({ ...table, schema: schemaFor(table.name) })),
    );
    points.reach('rows restored');
    beforeCommit(await psql.askOne('SELECT txid_current()'));
    await psql.ask('COMMIT');
  });
}

/** Whether a transaction of restoreDatabase's was committed; waits for one that is still on its way. */
export function wasCommitted(database: Database, transaction: string): Promise<boolean> {
  return Psql.with(database, async (psql) => {
    // It holds the lock until it has ended.
    await psql.ask('BEGIN');
    await psql.ask(`SELECT pg_advisory_xact_lock(${ADVISORY_LOCK})`);
    return (await psql.askOne(`SELECT txid_status(${transaction})`)) === 'committed';
  });
}

/** Rows that are asked for at once. */
const PAGE = 1_000;

/** Where Open WebUI says that its uploads are, for those that an object store has: `s3://BUCKET/KEY`. Throws TuneError. */
export async function* storedPaths(database: Database): AsyncGenerator<string> {
  for (let after = ''; ; ) {
    const rows = await Psql.with(database, async (psql) => {
      const [table] = (await ownTables(psql, database)).filter(({ name }) => name === 'file');
      if (!table) return [];
      // As JSON: a name may hold a tab.
      return psql.ask(
        `SELECT to_json(id::text), to_json(path) FROM ${qualified(table)}
         WHERE path LIKE 's3://%' AND id::text > ${literal(after)} ORDER BY id::text LIMIT ${PAGE}`,
      );
    });
    for (const [, path = '""'] of rows) yield JSON.parse(path) as string;
    if (rows.length < PAGE) return;
    after = JSON.parse(rows.at(-1)?.[0] ?? '""') as string;
  }
}

/** Drops Open WebUI's tables. Throws TuneError. */
export function emptyDatabase(database: Database): Promise<void> {
  return Psql.with(database, (psql) => dropTables(psql, database));
}

/** Without CASCADE: what somebody else has built on a table is not ours to drop. */
async function dropTables(psql: Psql, database: Database): Promise<void> {
  const tables = await ownTables(psql, database);
  if (tables.length > 0) await psql.ask(`DROP TABLE ${tables.map(qualified).join(', ')}`);
}

interface Schemas {
  tables: string;
  /** Of the vector store, which does not know DATABASE_SCHEMA. */
  vectors: string;
}

/** The vector store's table and its indexes. */
function isVector(name: string): boolean {
  return /^(?:idx_)?document_chunk/.test(name);
}

async function schemasOf(psql: Psql, { schema }: Database): Promise<Schemas> {
  const first = await psql.askOne('SELECT current_schema()');
  return { tables: schema ?? first, vectors: first };
}

async function makeSchema(psql: Psql, schema: string): Promise<void> {
  const exists = await psql.askOne(`SELECT count(*) FROM pg_namespace WHERE nspname = ${literal(schema)}`);
  if (exists === '0') await psql.ask(`CREATE SCHEMA ${quote(schema)}`);
}

/** The tables of Open WebUI that are there. */
async function ownTables(psql: Psql, database: Database): Promise<Table[]> {
  const { tables, vectors } = await schemasOf(psql, database);
  const names = database.tables.map(
    (name) => `(${literal(isVector(name) ? vectors : tables)}, ${literal(name)})`,
  );
  const rows = await psql.ask(
    `SELECT schemaname, tablename FROM pg_catalog.pg_tables
     WHERE (schemaname, tablename) IN (${names.join(', ')}) ORDER BY 1, 2`,
  );
  return rows.map(([schema = '', name = '']) => ({ schema, name }));
}

async function countRows(psql: Psql, tables: readonly Table[]): Promise<TableRows[]> {
  const counted: TableRows[] = [];
  for (const table of tables) {
    counted.push({ ...table, rows: Number(await psql.askOne(`SELECT count(*) FROM ${qualified(table)}`)) });
  }
  return counted;
}

async function expectRows(psql: Psql, expected: readonly TableRows[]): Promise<void> {
  const found = await countRows(psql, expected);
  for (const [index, { name, rows }] of expected.entries()) {
    const restored = found[index]?.rows;
    if (restored !== rows) {
      throw new TuneError(`${name} has ${rows} rows, and the dump restores ${restored}`, EXIT.service);
    }
  }
}

/** For pg_dump: names in double quotes are no patterns. */
function patternsOf(tables: readonly Table[]): string[] {
  return tables.map((table) => `--table=${qualified(table)}`);
}

function qualified({ schema, name }: Table): string {
  return `${quote(schema)}.${quote(name)}`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
