import type { Client } from 'pg';
import { EXIT, TuneError } from '../../base/errors.ts';
import { withPostgres } from '../../facts/services/postgres.ts';
import { reasonOf } from '../../facts/services/timeout.ts';
import { databaseUrl, readDatabaseUrl } from '../../facts/services/urls.ts';
import type { Settings } from '../../facts/types.ts';
import { type DocumentFacts, readDocuments } from './documents.ts';
import type { Plugin } from './requirements.ts';

/** What is in Open WebUI's PostgreSQL database. */
export interface SchemaFacts {
  /** Alembic's revisions; undefined: the database is new. */
  revisions?: readonly string[];
  /** Keys of the `config` table; undefined: there is none. */
  configKeys?: readonly string[];
  /** Active functions and administrators' tools: each worker installs their requirements when it starts. */
  plugins: readonly Plugin[];
  /** Undefined: the database is new. */
  documents?: DocumentFacts;
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
      const plugins = [
        ...(await pluginsIn(client, table('function'), 'function', `WHERE is_active`)),
        ...(await pluginsIn(
          client,
          table('tool'),
          'tool',
          `WHERE user_id IN (SELECT id FROM ${table('"user"')} WHERE role = 'admin')`,
        )),
      ];
      const hasDocuments = configKeys !== undefined && (await isThere(client, table('file')));
      // Another version of Open WebUI may have other columns. The other facts are still worth knowing.
      const documents = hasDocuments
        ? await readDocuments(client, table('config'), table('file')).catch(() => undefined)
        : undefined;
      const { rows } = await client.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM pg_stat_activity
         WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()`,
      );
      return {
        ...(revisions && { revisions }),
        ...(configKeys && { configKeys }),
        plugins,
        ...(documents && { documents }),
        connections: rows[0]?.count ?? 0,
      };
    });
  } catch (error) {
    throw new TuneError(`the database does not answer: ${reasonOf(error)}`, EXIT.service);
  }
}

/** As open_webui/utils/plugin.py chooses them (install_tool_and_function_dependencies, 0.12.4). */
async function pluginsIn(client: Client, table: string, kind: string, where: string): Promise<Plugin[]> {
  if (!(await isThere(client, table))) return [];
  const { rows } = await client.query<{ name: string | null; content: string | null }>(
    `SELECT name, content FROM ${table} ${where} ORDER BY name`,
  );
  return rows.map(({ name, content }) => ({ by: `${kind} ${name ?? '?'}`, content: content ?? '' }));
}

async function isThere(client: Client, table: string): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
    table,
  ]);
  return rows[0]?.there ?? false;
}

async function column(client: Client, table: string, name: string): Promise<string[] | undefined> {
  if (!(await isThere(client, table))) return undefined;
  const { rows } = await client.query<{ value: string }>(`SELECT ${name} AS value FROM ${table}`);
  return rows.map(({ value }) => value);
}
