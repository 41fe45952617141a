import { PERSISTED } from '../../facts/openwebui/config-keys.ts';
import type { DatabaseFacts } from '../../facts/types.ts';

/** What the database says of the settings in plan/persisted.ts, where that counts: it wins after the first start. */
export function storedSettings(
  effective: ReadonlyMap<string, string>,
  database: DatabaseFacts,
): Readonly<Record<string, string>> {
  const isKept = effective.get('ENABLE_PERSISTENT_CONFIG')?.toLowerCase() !== 'false';
  return (isKept && 'stored' in database && database.stored) || {};
}

/** The value of a setting that is in force: the database's, else the environment's. */
export function inForce(
  name: string,
  effective: ReadonlyMap<string, string>,
  database: DatabaseFacts,
): string | undefined {
  return storedSettings(effective, database)[PERSISTED[name] ?? ''] ?? effective.get(name);
}
