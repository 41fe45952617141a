import { EXIT, TuneError } from '../../base/errors.ts';
import { pipInstall } from '../openwebui/versions.ts';
import { databaseUrl, parseDatabaseUrl } from '../services/urls.ts';
import type { Settings } from '../types.ts';

/**
 * Throws TuneError if the settings need a Python package that is not there: psycopg2 and pgvector come only with the
 * `postgres` extra.
 */
export function requireDrivers(
  settings: Settings,
  drivers: Readonly<Record<string, boolean>>,
  python: string,
): void {
  const url = databaseUrl(settings);
  const needed = [
    ...(url !== undefined && parseDatabaseUrl(url)?.scheme === 'postgresql'
      ? [{ name: 'psycopg2', reason: 'DATABASE_URL is a PostgreSQL' }]
      : []),
    ...(settings.get('VECTOR_DB')?.value === 'pgvector'
      ? [{ name: 'pgvector', reason: 'VECTOR_DB is pgvector' }]
      : []),
  ];
  for (const { name, reason } of needed) {
    if (drivers[name]) continue;
    throw new TuneError(`${reason}, but ${name} is not installed for ${python}`, EXIT.openWebui, [
      pipInstall(python, 'open-webui[postgres]'),
    ]);
  }
}
