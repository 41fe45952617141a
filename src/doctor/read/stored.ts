import { valueInForce } from '../../facts/openwebui/config-keys.ts';
import type { DatabaseFacts } from '../../facts/types.ts';
import { storedUnless } from '../../plan/persisted.ts';

/** What the database says of the settings in facts/openwebui/config-keys.ts, where that counts: it wins after the first start. */
export function storedSettings(
  effective: ReadonlyMap<string, string>,
  database: DatabaseFacts,
): Readonly<Record<string, string>> {
  return storedUnless(effective.get('ENABLE_PERSISTENT_CONFIG'), database);
}

/** The value of a setting that is in force: the database's, else the environment's. */
export function inForce(
  name: string,
  effective: ReadonlyMap<string, string>,
  database: DatabaseFacts,
): string | undefined {
  return valueInForce(name, (key) => effective.get(key), storedSettings(effective, database));
}
