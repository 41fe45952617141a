import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { Pacer } from '../../base/machine/pacer.ts';
import { dumpDatabase, restoreDatabase } from './database.ts';
import { Psql } from './psql.ts';
import { quote } from './rewrite.ts';
import type { Database } from './tools.ts';

/**
 * Copies Open WebUI's tables into a new schema of the same database, while they are in use; of the vectors, which are
 * large, only the empty table. Returns libpq's variables with which Open WebUI finds the copy, and nothing of the original.
 * Throws TuneError.
 */
export async function copyToSchema(
  database: Database,
  schema: string,
  dump: string,
): Promise<Pick<Environment, 'PGOPTIONS'>> {
  const expected = await dumpDatabase(database, dump, { vectors: false, pacer: new Pacer() });
  const extensions = await Psql.with(database, async (psql) => {
    if ((await psql.askOne("SELECT has_database_privilege(current_database(), 'CREATE')")) !== 't') {
      throw new TuneError(
        `the role of Open WebUI may not make a schema in ${database.where}`,
        EXIT.settings,
        ['GRANT CREATE ON DATABASE … TO the role; or webui-tune upgrade --no-rehearsal'],
      );
    }
    await psql.ask(`CREATE SCHEMA ${quote(schema)}`);
    // The types of the vector store.
    return psql.ask(
      `SELECT DISTINCT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
       WHERE nspname <> 'pg_catalog'`,
    );
  });
  const path = [schema, ...extensions.map(([name = '']) => name)].map(quote).join(',');
  const PGOPTIONS =
    `${database.env.PGOPTIONS ?? ''} -c search_path=${path.replaceAll(/[\\ ]/g, '\\$&')}`.trim();
  const copy = { ...database, env: { ...database.env, PGOPTIONS }, schema };
  const found = await Psql.with(copy, (psql) => psql.askOne('SELECT current_schema()'));
  if (found !== schema) {
    throw new TuneError(`${database.where} does not take a search_path from PGOPTIONS`, EXIT.settings, [
      'PgBouncer ignores it: let DATABASE_URL name PostgreSQL itself; or webui-tune upgrade --no-rehearsal',
    ]);
  }
  await restoreDatabase(copy, dump, expected);
  return { PGOPTIONS };
}

/** Drops a schema that copyToSchema has made, if it is there. Throws TuneError. */
export async function dropSchema(database: Database, schema: string): Promise<void> {
  await Psql.with(database, (psql) =>
    psql.ask(`SET client_min_messages = warning; DROP SCHEMA IF EXISTS ${quote(schema)} CASCADE`),
  );
}
