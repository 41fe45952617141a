import { describe, expect, it } from 'vitest';
import {
  type Lookup,
  scratchSettings,
  substitutesFor,
  wantedFor,
} from '../../../src/bench/scratch/settings.ts';

describe('the settings that are measured with', () => {
  const upstream = {
    url: 'http://127.0.0.1:1/v1',
    pace: { tokens: 1, pauseMs: 0 },
    requests: new Map(),
    tokens: 0,
  };
  const theirs: Record<string, string> = {
    DATABASE_URL: 'postgresql://theirs@db.example/webui',
    DATABASE_TYPE: 'postgresql',
    DATABASE_HOST: 'db.example',
    REDIS_URL: 'redis://redis.example/0',
    WEBSOCKET_REDIS_URL: 'redis://redis.example/1',
    REDIS_SENTINEL_HOSTS: 'sentinel.example',
    VECTOR_DB: 'qdrant',
    QDRANT_URI: 'http://qdrant.example',
    OPENAI_API_BASE_URLS: 'https://api.example;https://b.example',
    RAG_OPENAI_API_BASE_URL: 'https://embed.example',
    WEBHOOK_URL: 'https://hook.example',
    TOOL_SERVER_CONNECTIONS: '[{"url":"https://tool.example"}]',
    OPENID_PROVIDER_URL: 'https://id.example',
    STORAGE_PROVIDER: 's3',
    STATIC_DIR: '/theirs/static',
    DATA_DIR: '/theirs',
    WEBUI_AUTH_TRUSTED_EMAIL_HEADER: 'X-Email',
    CONTENT_EXTRACTION_ENGINE: 'external',
    ENABLE_OTEL: 'true',
  };
  const get: Lookup = (name) => theirs[name];
  const settings = scratchSettings({
    get,
    services: {
      upstream,
      databaseUrl: 'postgresql://tester:x@127.0.0.1:2/postgres',
      redisUrl: 'redis://127.0.0.1:3/0',
      chromaPort: 4,
    },
    database: 'postgresql',
    dataDir: '/scratch/data',
    usersDataDir: '/theirs',
    embedsLocally: false,
    password: 'p',
  });

  it('reach none of the user’s servers, and write nowhere of the user’s', () => {
    const merged = { ...theirs, ...settings };
    const leaks = Object.entries(merged).filter(([, value]) =>
      /example|^\/theirs$|\/theirs\/static/.test(value),
    );
    // Nobody asks Qdrant once VECTOR_DB is another.
    expect(leaks.map(([name]) => name)).toEqual(['QDRANT_URI']);
    expect(merged).toMatchObject({
      VECTOR_DB: 'chroma',
      CHROMA_HTTP_PORT: '4',
      STORAGE_PROVIDER: 'local',
      ENABLE_OTEL: 'false',
      DATA_DIR: '/scratch/data',
      CONTENT_EXTRACTION_ENGINE: '',
    });
  });

  it('name what stands in for something else', () => {
    expect(substitutesFor(get)).toEqual(['measured with a Chroma server in place of qdrant']);
    expect(substitutesFor(() => undefined)).toEqual([]);
  });

  it('take servers of the kinds that the user has, and no others', () => {
    const wanted = (values: Record<string, string>, database: string, redis: string) =>
      wantedFor((name) => values[name], database, redis);
    expect(wanted({}, 'sqlite', 'none')).toEqual({
      postgres: false,
      pgvector: false,
      redis: false,
      chroma: false,
    });
    expect(wanted({ VECTOR_DB: 'pgvector' }, 'postgresql', 'redis')).toEqual({
      postgres: true,
      pgvector: true,
      redis: true,
      chroma: false,
    });
    expect(wanted({ CHROMA_HTTP_HOST: 'c' }, 'postgresql', 'none').chroma).toBe(true);
  });

  it('keep SQLite where that is what the user has', () => {
    const { DATABASE_URL } = scratchSettings({
      get: () => undefined,
      services: { upstream },
      database: 'sqlite',
      dataDir: '/scratch/data',
      usersDataDir: '/theirs',
      embedsLocally: true,
      password: 'p',
    });
    expect(DATABASE_URL).toBe('sqlite:////scratch/data/webui.db');
  });
});
