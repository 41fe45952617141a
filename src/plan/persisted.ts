import { PERSISTED } from '../facts/openwebui/config-keys.ts';
import type { DatabaseFacts, Settings } from '../facts/types.ts';

/** Settings of the user, or of a preset, that the database overrules; secrets are not among them. */
export function overruledByDatabase(settings: Settings, database: DatabaseFacts): string[] {
  const stored = storedIn(settings, database);
  return Object.entries(PERSISTED).flatMap(([name, key]) => {
    const setting = settings.get(name);
    const there = stored[key];
    if (!setting || setting.secret || there === undefined || isSame(setting.value, there)) return [];
    return [
      `${name} (${setting.source}) has no effect: Open WebUI’s database has another value for ${key}, and that wins ` +
        'since the first start. Change it in the administration settings',
    ];
  });
}

/** What the settings are once the database has spoken: what is embedded where decides how much memory a worker takes. */
export function withStored(settings: Settings, database: DatabaseFacts): Settings {
  const engine = storedIn(settings, database)['rag.embedding_engine'];
  if (engine === undefined) return settings;
  return new Map([
    ...settings,
    ['RAG_EMBEDDING_ENGINE', { value: engine, source: 'environment' as const, secret: false }],
  ]);
}

/** What counts of the `config` table. */
export function storedIn(settings: Settings, database: DatabaseFacts): Readonly<Record<string, string>> {
  return storedUnless(settings.get('ENABLE_PERSISTENT_CONFIG')?.value, database);
}

/** The same, by the value of ENABLE_PERSISTENT_CONFIG; undefined: its default, on. */
export function storedUnless(
  persistent: string | undefined,
  database: DatabaseFacts,
): Readonly<Record<string, string>> {
  if (database.kind !== 'postgresql' && database.kind !== 'sqlite') return {};
  // Off: the environment wins at every boot (and changes in the browser stay with one worker).
  return persistent?.toLowerCase() === 'false' ? {} : (database.stored ?? {});
}

function isSame(ours: string, theirs: string): boolean {
  return ours.trim().toLowerCase() === theirs.trim().toLowerCase();
}
