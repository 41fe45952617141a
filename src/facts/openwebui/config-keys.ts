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

/** The value of a setting, by its name; undefined: it is not set. */
export type Lookup = (name: string) => string | undefined;

/** The value that is in force: that of `stored`, the settings of the database that count, else the environment's. */
export function valueInForce(
  name: string,
  lookup: Lookup,
  stored: Readonly<Record<string, string>>,
): string | undefined {
  return stored[PERSISTED[name] ?? ''] ?? lookup(name);
}
