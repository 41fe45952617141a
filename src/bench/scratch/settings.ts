import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { LOOPBACK } from '../../base/io/address.ts';
import { EMPTIED, NO_CONNECTIONS, SWITCHED_OFF } from '../../tune/measurements/replaced.ts';
import type { ScratchServices, WantedServices } from './services.ts';
import { EMBEDDING_MODEL } from './upstream.ts';

/* Settings under which Open WebUI is measured: the user's, changed so that nothing of the user's is reached. Pure. */

/** The user's settings, with those that are computed: undefined where a name is not set. */
export type Lookup = (name: string) => string | undefined;

/** The account that is measured with; Open WebUI makes it as it starts on an empty database. */
export const ADMIN_EMAIL = 'measure@localhost';

/** Which servers stand in for the user's. */
export function wantedFor(get: Lookup, database: string, redis: string): WantedServices {
  const vectors = vectorStoreFor(get);
  const postgres = database === 'postgresql';
  return {
    postgres: postgres || vectors === 'pgvector',
    pgvector: vectors === 'pgvector',
    redis: redis === 'redis',
    chroma: vectors === 'chroma server',
  };
}

/** What holds the vectors. Chroma stands in for the servers that we cannot start ourselves. */
export function vectorStoreFor(get: Lookup): 'pgvector' | 'chroma' | 'chroma server' {
  const store = get('VECTOR_DB') || 'chroma';
  if (store === 'pgvector') return store;
  return store === 'chroma' && !get('CHROMA_HTTP_HOST') ? 'chroma' : 'chroma server';
}

/** What stands in for something else, for people. */
export function substitutesFor(get: Lookup): string[] {
  const store = get('VECTOR_DB') || 'chroma';
  if (store === 'chroma' || store === 'pgvector') return [];
  return [`measured with a Chroma server in place of ${store}`];
}

export interface ScratchInput {
  get: Lookup;
  services: ScratchServices;
  /** Kind of the user's database. */
  database: string;
  /** Folder for Open WebUI's data. */
  dataDir: string;
  /** The user's own: caches of models are read there. */
  usersDataDir: string;
  embedsLocally: boolean;
  password: string;
}

/** Settings that take the place of the user's, by name. An empty value is one that Open WebUI takes for not set. */
export function scratchSettings(input: ScratchInput): Record<string, string> {
  const { get, services, dataDir, usersDataDir, embedsLocally, password } = input;
  const { upstream } = services;
  const key = `sk-${randomBytes(12).toString('hex')}`;
  return {
    ...onlyIfSet(get, EMPTIED, ''),
    ...onlyIfSet(get, SWITCHED_OFF, 'false'),
    ...onlyIfSet(get, NO_CONNECTIONS, '[]'),
    DATA_DIR: dataDir,
    STATIC_DIR: join(dataDir, 'static'),
    AUDIT_LOGS_FILE_PATH: join(dataDir, 'audit.log'),
    STORAGE_PROVIDER: 'local',
    WEBUI_SECRET_KEY: randomBytes(24).toString('hex'),
    WEBUI_ADMIN_EMAIL: ADMIN_EMAIL,
    WEBUI_ADMIN_PASSWORD: password,
    WEBUI_AUTH: 'true',
    ENABLE_PASSWORD_AUTH: 'true',
    // Nothing is asked of the network, and no model is brought up to date.
    OFFLINE_MODE: 'true',
    HF_HUB_OFFLINE: '1',
    RAG_EMBEDDING_MODEL_AUTO_UPDATE: 'false',
    RAG_RERANKING_MODEL_AUTO_UPDATE: 'false',
    WHISPER_MODEL_AUTO_UPDATE: 'false',
    TIKTOKEN_CACHE_DIR: get('TIKTOKEN_CACHE_DIR') || join(usersDataDir, 'cache', 'tiktoken'),
    ...databaseSettings(input),
    ...redisSettings(get, services),
    ...vectorSettings(get, services),
    ENABLE_OLLAMA_API: 'false',
    ENABLE_OPENAI_API: 'true',
    OPENAI_API_BASE_URL: upstream.url,
    OPENAI_API_BASE_URLS: upstream.url,
    OPENAI_API_KEY: key,
    OPENAI_API_KEYS: key,
    ...(embedsLocally
      ? { RAG_EMBEDDING_ENGINE: '' }
      : {
          RAG_EMBEDDING_ENGINE: 'openai',
          RAG_EMBEDDING_MODEL: EMBEDDING_MODEL,
          RAG_OPENAI_API_BASE_URL: upstream.url,
          RAG_OPENAI_API_KEY: key,
        }),
  };
}

function onlyIfSet(get: Lookup, names: readonly string[], value: string): Record<string, string> {
  return Object.fromEntries(names.filter((name) => get(name)).map((name) => [name, value]));
}

function databaseSettings({ get, database, services, dataDir }: ScratchInput): Record<string, string> {
  const { databaseUrl } = services;
  return {
    DATABASE_URL: database === 'postgresql' && databaseUrl ? databaseUrl : `sqlite:///${dataDir}/webui.db`,
    ...(databaseUrl !== undefined && get('PGVECTOR_DB_URL') && { PGVECTOR_DB_URL: databaseUrl }),
  };
}

function redisSettings(get: Lookup, { redisUrl = '' }: ScratchServices): Record<string, string> {
  if (redisUrl === '' && !get('REDIS_URL')) return {};
  return {
    REDIS_URL: redisUrl,
    ...(get('WEBSOCKET_REDIS_URL') && { WEBSOCKET_REDIS_URL: redisUrl }),
  };
}

function vectorSettings(get: Lookup, { chromaPort }: ScratchServices): Record<string, string> {
  if (chromaPort === undefined) return {};
  return {
    VECTOR_DB: 'chroma',
    CHROMA_HTTP_HOST: LOOPBACK,
    CHROMA_HTTP_PORT: String(chromaPort),
    ...onlyIfSet(get, ['CHROMA_TENANT'], 'default_tenant'),
    ...onlyIfSet(get, ['CHROMA_DATABASE'], 'default_database'),
  };
}
