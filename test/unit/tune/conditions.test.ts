import { describe, expect, it } from 'vitest';
import { settingsDigest } from '../../../src/tune/measurements/conditions.ts';
import { SERVICES } from '../../kit/inputs.ts';
import { settingsOf } from '../../kit/settings-of.ts';

describe('the digest of settings', () => {
  const digest = (values: Record<string, string>) => settingsDigest(settingsOf(values), SERVICES);

  it('is another one where workers may load something else', () => {
    const others = [
      {},
      { ENABLE_RAG_HYBRID_SEARCH: 'true' },
      { RAG_EMBEDDING_ENGINE: 'openai' },
      { CHROMA_HTTP_HOST: 'chroma' },
      { DATABASE_POOL_SIZE: '7' },
    ].map(digest);
    expect(new Set(others).size).toBe(others.length);
    const sqlite = settingsDigest(settingsOf({}), { ...SERVICES, database: { kind: 'sqlite' } });
    expect(sqlite).not.toBe(digest({}));
  });

  it('is the same whatever the addresses, the secrets and the order', () => {
    const first = digest({ ENABLE_ORJSON: 'true', WEBUI_NAME: 'a', RAG_TOP_K: '3' });
    expect(digest({ RAG_TOP_K: '3', WEBUI_NAME: 'b', ENABLE_ORJSON: 'true' })).toBe(first);
    const secret = new Map([
      ...settingsOf({ ENABLE_ORJSON: 'true', RAG_TOP_K: '3', DATABASE_URL: 'x', REDIS_URL: 'y', PORT: '1' }),
      ['SOME_API_KEY', { value: 'sk-1', source: 'env file' as const, secret: true }],
    ]);
    expect(settingsDigest(secret, SERVICES)).toBe(first);
  });

  it('counts what the database says over the environment', () => {
    const stored = { 'rag.embedding_engine': 'openai' };
    const database = { ...SERVICES.database, stored } as typeof SERVICES.database;
    expect(settingsDigest(settingsOf({}), { ...SERVICES, database })).toBe(
      digest({ RAG_EMBEDDING_ENGINE: 'openai' }),
    );
  });
});
