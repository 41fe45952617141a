import type { Client } from 'pg';
import { EXIT, TuneError } from '../../errors.ts';
import { withPostgres } from '../../services/postgres.ts';
import { reasonOf } from '../../services/timeout.ts';
import { databaseUrl, readDatabaseUrl } from '../../services/urls.ts';
import type { Settings } from '../../types.ts';

/** What Open WebUI has made of its PostgreSQL database. */
export interface SchemaFacts {
  /** Alembic's revisions; undefined: the database is new. */
  revisions?: readonly string[];
  /** Keys of the `config` table; undefined: there is none. */
  configKeys?: readonly string[];
  /** Connections of this user to this database now. */
  connections: number;
}

/** Throws TuneError where the database does not answer. */
export async function readSchema(settings: Settings): Promise<SchemaFacts> {
  const url = readDatabaseUrl('DATABASE_URL', databaseUrl(settings) ?? '');
  const schema = settings.get('DATABASE_SCHEMA')?.value || undefined;
  try {
    return await withPostgres(url, async (client) => {
      const table = (name: string) => (schema ? `${client.escapeIdentifier(schema)}.${name}` : name);
      const revisions = await column(client, table('alembic_version'), 'version_num');
      const configKeys = await column(client, table('config'), 'key');
      const { rows } = await client.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM pg_stat_activity
         WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()`,
      );
      return {
        ...(revisions && { revisions }),
        ...(configKeys && { configKeys }),
        connections: rows[0]?.count ?? 0,
      };
    });
  } catch (error) {
    throw new TuneError(`the database does not answer: ${reasonOf(error)}`, EXIT.service);
  }
}

async function column(client: Client, table: string, name: string): Promise<string[] | undefined> {
  const { rows: found } = await client.query<{ there: boolean }>(
    'SELECT to_regclass($1) IS NOT NULL AS there',
    [table],
  );
  if (!found[0]?.there) return undefined;
  const { rows } = await client.query<{ value: string }>(`SELECT ${name} AS value FROM ${table}`);
  return rows.map(({ value }) => value);
}
