import { EXIT, TuneError } from '../../base/errors.ts';
import type { Settings } from '../types.ts';

/** A database URL in its parts, decoded. */
export interface DatabaseUrl {
  /** Without the driver: `postgresql` for `postgresql+psycopg2`. */
  scheme: string;
  driver?: string;
  user?: string;
  password?: string;
  host?: string;
  port?: number;
  database?: string;
  query: URLSearchParams;
}

/** SQLAlchemy's own pattern (engine/url.py): unlike a URL parser it takes `/` and `#` in a password as they are. */
const SQLALCHEMY =
  /^(?<name>[\w+]+):\/\/(?:(?<user>[^:/]*)(?::(?<password>[^@]*))?@)?(?:(?:\[(?<ipv6>[^/?]+)\]|(?<host>[^/:?]+))?(?::(?<port>[^/?]*))?)?(?:\/(?<database>[^?]*))?(?:\?(?<query>.*))?$/s;

/** Undefined if `text` is no such URL. */
export function parseDatabaseUrl(text: string): DatabaseUrl | undefined {
  const parts = SQLALCHEMY.exec(text.trim())?.groups;
  if (!parts?.name) return undefined;
  const [scheme = '', driver] = parts.name.split('+', 2);
  const port = parts.port ? Number(parts.port) : undefined;
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) return undefined;
  const host = parts.ipv6 ?? (parts.host || undefined);
  return {
    scheme: scheme === 'postgres' ? 'postgresql' : scheme,
    ...(driver && { driver }),
    ...(parts.user && { user: decode(parts.user) }),
    ...(parts.password !== undefined && { password: decode(parts.password) }),
    ...(host && { host }),
    ...(port !== undefined && { port }),
    ...(parts.database && { database: decode(parts.database) }),
    query: new URLSearchParams(parts.query ?? ''),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone % is a percent sign, for SQLAlchemy too
  }
}

/**
 * The URL that Open WebUI will use (open_webui/env.py, "Database"): DATABASE_URL, unless all the parts are given.
 * Undefined: its own SQLite file.
 */
export function databaseUrl(settings: Settings): string | undefined {
  const get = (name: string) => settings.get(name)?.value || undefined;
  const [type, host, port, name] = ['TYPE', 'HOST', 'PORT', 'NAME'].map((part) => get(`DATABASE_${part}`));
  const password = get('DATABASE_PASSWORD');
  const credentials = `${get('DATABASE_USER') ?? ''}${password ? `:${password}` : ''}`;
  if (type && host && port && name && credentials) return `${type}://${credentials}@${host}:${port}/${name}`;
  return get('DATABASE_URL');
}

/**
 * The database's URL, checked without asking the database. Throws TuneError for a URL that would end Open WebUI.
 */
export function readDatabaseUrl(name: string, url: string): DatabaseUrl {
  const parsed = parseDatabaseUrl(url);
  const form = `${name}=postgresql://user:password@host:5432/database`;
  if (!parsed) throw new TuneError(`${name} is not a database URL`, EXIT.settings, [`write it as ${form}`]);
  if (parsed.driver === 'asyncpg') {
    throw new TuneError(
      `${name} names the driver asyncpg, which Open WebUI does not bring (its documentation is wrong here)`,
      EXIT.settings,
      [`write it as ${form}`],
    );
  }
  return parsed;
}

/** Host, port and database for people: never the user or the password. */
export function whereOf({ host, port, database, query }: DatabaseUrl): string {
  const server = host ?? query.get('host') ?? 'localhost';
  return `${server}:${port ?? query.get('port') ?? 5432}${database ? `/${database}` : ''}`;
}
