import type { DatabaseFacts, Settings } from '../types.ts';

/**
 * Settings that live in Open WebUI's `config` table after its first boot, by the key there: DEFAULT_CONFIG in
 * open_webui/config.py (0.12.4). From then on a change of the environment has no effect.
 */
export const PERSISTED: Readonly<Record<string, string>> = {
  AUDIO_STT_ENGINE: 'audio.stt.engine',
  BYPASS_EMBEDDING_AND_RETRIEVAL: 'rag.bypass_embedding_and_retrieval',
  CONTENT_EXTRACTION_ENGINE: 'rag.content_extraction_engine',
  ENABLE_BASE_MODELS_CACHE: 'models.base_models_cache',
  ENABLE_DIRECT_CONNECTIONS: 'direct.enable',
  ENABLE_OLLAMA_API: 'ollama.enable',
  ENABLE_OPENAI_API: 'openai.enable',
  ENABLE_RAG_HYBRID_SEARCH: 'rag.enable_hybrid_search',
  PDF_EXTRACT_IMAGES: 'rag.pdf_extract_images',
  RAG_EMBEDDING_BATCH_SIZE: 'rag.embedding_batch_size',
  RAG_EMBEDDING_ENGINE: 'rag.embedding_engine',
  RAG_EMBEDDING_MODEL: 'rag.embedding_model',
  RAG_RERANKING_ENGINE: 'rag.reranking_engine',
  RAG_RERANKING_MODEL: 'rag.reranking_model',
  WEBUI_URL: 'webui.url',
};

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
  if (database.kind !== 'postgresql' && database.kind !== 'sqlite') return {};
  // Off: the environment wins at every boot (and changes in the browser stay with one worker).
  if (settings.get('ENABLE_PERSISTENT_CONFIG')?.value.toLowerCase() === 'false') return {};
  return database.stored ?? {};
}

function isSame(ours: string, theirs: string): boolean {
  return ours.trim().toLowerCase() === theirs.trim().toLowerCase();
}
