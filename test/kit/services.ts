/** What Open WebUI needs around it, and the settings with which it finds that. */
import { randomBytes } from 'node:crypto';
import type { Scope } from '../../src/base/io/scope.ts';
import type { StartedProcess } from '../../src/base/io/started.ts';
import { startChroma } from '../../src/bench/scratch/chroma.ts';
import { startRedis } from '../../src/bench/scratch/redis.ts';
import { EMBEDDING_MODEL, startUpstream, type Upstream } from '../../src/bench/scratch/upstream.ts';
import { openWebuiEnvironment } from './environment.ts';
import { createDatabase, type Database } from './postgres.ts';

export interface Services {
  databaseUrl: string;
  redisUrl: string;
  redis: StartedProcess;
  chromaPort: number;
  upstream: Upstream;
  admin: { email: string; password: string };
  /** What a user would not want to see in a log. */
  secrets: Record<'database' | 'apiKey' | 'admin', string>;
  apiKey: string;
}

/** `startDatabase`: by default an empty one of its own on the server that runs already. */
export async function startServices(
  scope: Scope,
  startDatabase: (scope: Scope) => Promise<Database> = createDatabase,
): Promise<Services> {
  const [database, redis, chroma, upstream] = await Promise.all([
    startDatabase(scope),
    startRedis(scope),
    startChroma(scope, openWebuiEnvironment().python),
    startUpstream(scope),
  ]);
  const apiKey = `sk-${randomBytes(12).toString('hex')}`;
  const password = `admin-password-${randomBytes(6).toString('hex')}`;
  return {
    databaseUrl: database.url,
    redisUrl: redis.url,
    redis: redis.process,
    chromaPort: chroma.port,
    upstream,
    admin: { email: 'admin@example.org', password },
    secrets: { database: database.password, apiKey, admin: password },
    apiKey,
  };
}

/** In the place of the Chroma server. */
export const PGVECTOR = { VECTOR_DB: 'pgvector', CHROMA_HTTP_HOST: '', CHROMA_HTTP_PORT: '' };

export type Embeddings = 'remote' | 'local';

/** Open WebUI's settings, as a user writes them into open-webui.env. */
export function settingsFor(services: Services, embeddings: Embeddings): Record<string, string> {
  return {
    DATABASE_URL: services.databaseUrl,
    REDIS_URL: services.redisUrl,
    VECTOR_DB: 'chroma',
    CHROMA_HTTP_HOST: '127.0.0.1',
    CHROMA_HTTP_PORT: `${services.chromaPort}`,
    OPENAI_API_BASE_URL: services.upstream.url,
    OPENAI_API_KEY: services.apiKey,
    ENABLE_OLLAMA_API: 'false',
    WEBUI_ADMIN_EMAIL: services.admin.email,
    WEBUI_ADMIN_PASSWORD: services.admin.password,
    ...embeddingSettings(services, embeddings),
    // Nothing here may reach out to the network.
    HF_HUB_OFFLINE: '1',
    OFFLINE_MODE: 'true',
    ANONYMIZED_TELEMETRY: 'false',
    DO_NOT_TRACK: 'true',
    SCARF_NO_ANALYTICS: 'true',
  };
}

function embeddingSettings(services: Services, embeddings: Embeddings): Record<string, string> {
  if (embeddings === 'local') return { RAG_EMBEDDING_MODEL: openWebuiEnvironment().embeddingModel };
  return {
    RAG_EMBEDDING_ENGINE: 'openai',
    RAG_EMBEDDING_MODEL: EMBEDDING_MODEL,
    RAG_OPENAI_API_BASE_URL: services.upstream.url,
    RAG_OPENAI_API_KEY: services.apiKey,
  };
}
