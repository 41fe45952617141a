import { PERSISTED } from '../facts/openwebui/config-keys.ts';
import type { DatabaseFacts, Settings } from '../facts/types.ts';

/** Warns of settings, by the user or a preset, that the database overrules; secrets are not compared. */
export function overruledByDatabase(settings: Settings, database: DatabaseFacts): string[] {
  const stored = storedIn(settings, database);
  return Object.entries(PERSISTED).flatMap(([name, key]) => {
    const setting = settings.get(name);
    const there = stored[key];
    if (!setting || setting.secret || there === undefined || isSame(setting.value, there)) return [];
    return [
      `${name} (${setting.source}) has no effect: Open WebUI’s database has another value for ${key}, which wins ` +
        'after the first start. Change it in the administration settings',
    ];
  });
}

/** The settings with the database's embedding engine, because that decides how much memory a worker takes. */
export function withStored(settings: Settings, database: DatabaseFacts): Settings {
  const engine = storedIn(settings, database)['rag.embedding_engine'];
  if (engine === undefined) return settings;
  return new Map([
    ...settings,
    ['RAG_EMBEDDING_ENGINE', { value: engine, source: 'environment' as const, secret: false }],
  ]);
}

/** The rows of the `config` table that are in force. */
export function storedIn(settings: Settings, database: DatabaseFacts): Readonly<Record<string, string>> {
  return storedUnless(settings.get('ENABLE_PERSISTENT_CONFIG')?.value, database);
}

/** The same for a value of ENABLE_PERSISTENT_CONFIG; undefined: its default, on. */
export function storedUnless(
  persistent: string | undefined,
  database: DatabaseFacts,
): Readonly<Record<string, string>> {
  if (database.kind !== 'postgresql' && database.kind !== 'sqlite') return {};
  // Off: the environment wins at every boot (and changes in the browser stay in one worker). Only "true" means on.
  return (persistent ?? 'true').toLowerCase() === 'true' ? (database.stored ?? {}) : {};
}

function isSame(ours: string, theirs: string): boolean {
  return ours.trim().toLowerCase() === theirs.trim().toLowerCase();
}
