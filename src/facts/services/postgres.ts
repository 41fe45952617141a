import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { Client, ClientConfig } from 'pg';
import { PERSISTED } from '../openwebui/config-keys.ts';
import type { DatabaseFacts, VectorExtension } from '../types.ts';
import { ANSWER_TIMEOUT, reasonOf, within } from './timeout.ts';
import { type DatabaseUrl, whereOf } from './urls.ts';

type PgPackage = typeof import('pg').default;
type PostgresFacts = Extract<DatabaseFacts, { kind: 'postgresql' }>;

const QUESTION = `
  SELECT current_setting('server_version') AS version,
         current_setting('max_connections')::int AS max_connections,
         current_setting('superuser_reserved_connections')::int
           + coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0) AS reserved,
         (SELECT count(*)::int FROM pg_stat_activity
          WHERE datname IS NOT NULL AND pid <> pg_backend_pid()
            AND NOT (datname = current_database() AND usename = current_user)) AS others,
         (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit,
         (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_limit,
         (SELECT setting::float8 * 8192 FROM pg_settings WHERE name = 'shared_buffers') AS shared_buffers,
         pg_database_size(current_database())::float8 AS size,
         (SELECT installed_version FROM pg_available_extensions WHERE name = 'vector') AS installed,
         EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') AS available,
         (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser`;

interface Row {
  version: string;
  max_connections: number;
  reserved: number;
  /** Connections to the same database by the same user are taken for those of the cluster that is planned anew. */
  others: number;
  /** -1: no limit. */
  role_limit: number | null;
  database_limit: number | null;
  /** Bytes. */
  shared_buffers: number;
  size: number;
  stored?: Readonly<Record<string, string>> | undefined;
  installed: string | null;
  available: boolean;
  superuser: boolean | null;
}

/** Asks a PostgreSQL for its version, its connections and the pgvector extension. */
export async function askPostgres(url: DatabaseUrl, schema?: string): Promise<PostgresFacts> {
  const where = whereOf(url);
  // Not within the `try`: a package that does not load is not a PostgreSQL that does not answer.
  await import('pg');
  try {
    const row = await withPostgres(url, async (client) => {
      const { rows } = await client.query<Row>(QUESTION);
      if (!rows[0]) throw new Error('an empty answer');
      return { ...rows[0], stored: await storedSettings(client, schema) };
    });
    return {
      kind: 'postgresql',
      where,
      answer: { up: true, version: row.version.split(' ', 1)[0] ?? row.version },
      vector: vectorExtension(row),
      maxConnections: row.max_connections,
      reservedConnections: row.reserved,
      otherConnections: row.others,
      ...connectionLimit(row),
      sharedBuffers: row.shared_buffers,
      size: row.size,
      ...(row.stored && { stored: row.stored }),
    };
  } catch (error) {
    return { kind: 'postgresql', where, answer: { up: false, reason: reasonOf(error) } };
  }
}

function connectionLimit({ role_limit, database_limit }: Row): { connectionLimit?: number } {
  const limits = [role_limit, database_limit].filter((limit) => limit !== null && limit >= 0);
  return limits.length > 0 ? { connectionLimit: Math.min(...limits.map(Number)) } : {};
}

/** pgvector's control file is not "trusted": only a superuser may create the extension. */
function vectorExtension({ installed, available, superuser }: Row): VectorExtension {
  if (installed !== null) return 'installed';
  if (!available) return 'missing';
  return superuser ? 'creatable' : 'superuser-only';
}

/** Connects as Open WebUI would, asks, and disconnects. Rejects after ANSWER_TIMEOUT. */
export async function withPostgres<T>(url: DatabaseUrl, ask: (client: Client) => Promise<T>): Promise<T> {
  const { default: pg } = await import('pg');
  return within(ANSWER_TIMEOUT, encryptedIfNeeded(pg, url, ask));
}

async function encryptedIfNeeded<T>(
  pg: PgPackage,
  url: DatabaseUrl,
  ask: (client: Client) => Promise<T>,
): Promise<T> {
  const mode = url.query.get('sslmode') ?? url.query.get('ssl') ?? 'prefer';
  if (mode === 'disable' || mode === 'false') return askWith(pg, url, false, ask);
  if (mode !== 'prefer' && mode !== 'allow') return askWith(pg, url, tlsOptions(url, mode), ask);
  try {
    return await askWith(pg, url, false, ask);
  } catch (error) {
    // The answer of a server that takes only encrypted connections. libpq's default tries both.
    if (/no encryption|SSL off|requires? (?:SSL|encryption)/i.test(reasonOf(error))) {
      return askWith(pg, url, tlsOptions(url, 'require'), ask);
    }
    throw error;
  }
}

/** The rows of Open WebUI's `config` table that matter here; undefined where there is no such table yet. */
async function storedSettings(client: Client, schema: string | undefined): Promise<Row['stored']> {
  const table = schema ? `${client.escapeIdentifier(schema)}.config` : 'config';
  try {
    const { rows } = await client.query<{ key: string; value: string | null }>(
      `SELECT key, value #>> '{}' AS value FROM (SELECT key, value::jsonb AS value FROM ${table} WHERE key = ANY($1)) AS stored`,
      [Object.values(PERSISTED)],
    );
    return Object.fromEntries(rows.map(({ key, value }) => [key, value ?? '']));
  } catch {
    return undefined; // a new database, an older layout, or no right to read it
  }
}

async function askWith<T>(
  pg: PgPackage,
  url: DatabaseUrl,
  ssl: false | ConnectionOptions,
  ask: (client: Client) => Promise<T>,
): Promise<T> {
  const config: ClientConfig = {
    host: url.host ?? url.query.get('host') ?? 'localhost',
    port: url.port ?? Number(url.query.get('port') ?? 5432),
    ssl,
    connectionTimeoutMillis: ANSWER_TIMEOUT,
    statement_timeout: ANSWER_TIMEOUT,
    application_name: 'webui-tune',
    ...(url.user !== undefined && { user: url.user }),
    ...(url.password !== undefined && { password: url.password }),
    ...(url.database !== undefined && { database: url.database }),
  };
  const client = new pg.Client(config);
  // A connection that breaks after its answer does not matter, but Node would end the process for it.
  client.on('error', () => {});
  await client.connect();
  try {
    return await ask(client);
  } finally {
    await client.end();
  }
}

/** libpq's modes: `require` encrypts and trusts any certificate, the two `verify-` check it. */
function tlsOptions(url: DatabaseUrl, mode: string): ConnectionOptions {
  const root = url.query.get('sslrootcert');
  return {
    rejectUnauthorized: mode.startsWith('verify-'),
    ...(root && { ca: readFileSync(root, 'utf8') }),
    ...(mode === 'verify-ca' && { checkServerIdentity: () => undefined }),
  };
}
