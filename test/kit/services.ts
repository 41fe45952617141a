/** What Open WebUI needs around it, and the settings with which it finds that. */
import { randomBytes } from 'node:crypto';
import { startChroma } from './chroma.ts';
import { openWebuiEnvironment } from './environment.ts';
import { createDatabase } from './postgres.ts';
import { startRedis } from './redis.ts';
import type { Scope } from './scope.ts';
import { EMBEDDING_MODEL, startUpstream, type Upstream } from './upstream.ts';

export interface Services {
  databaseUrl: string;
  redisUrl: string;
  chromaPort: number;
  upstream: Upstream;
  admin: { email: string; password: string };
  /** What a user would not want to see in a log. */
  secrets: Record<'database' | 'apiKey' | 'admin', string>;
  apiKey: string;
}

export async function startServices(scope: Scope): Promise<Services> {
  const [database, redis, chroma, upstream] = await Promise.all([
    createDatabase(scope),
    startRedis(scope),
    startChroma(scope),
    startUpstream(scope),
  ]);
  const apiKey = `sk-${randomBytes(12).toString('hex')}`;
  const password = `admin-password-${randomBytes(6).toString('hex')}`;
  return {
    databaseUrl: database.url,
    redisUrl: redis.url,
    chromaPort: chroma.port,
    upstream,
    admin: { email: 'admin@example.org', password },
    secrets: { database: database.password, apiKey, admin: password },
    apiKey,
  };
}

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
