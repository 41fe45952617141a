/** Where the contenders run: the bench's own services, and an identical copy of one database for each. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Scope } from '../../base/io/scope.ts';
import type { Pm2Program } from '../../setup/pm2/program.ts';
import { makeScratchFolder } from '../scratch/folder.ts';
import { connectRedis } from '../scratch/redis.ts';
import { startScratchServices } from '../scratch/services.ts';
import { EMBEDDING_MODEL, type Upstream } from '../scratch/upstream.ts';

/** How answers are streamed: as fast as a quick model, and as long as a short answer. */
const PACE = { tokens: 60, pauseMs: 5 };

const TEMPLATE = 'webui_tune_bench';

export interface Stage {
  /** Interpreter of Open WebUI. */
  python: string;
  pm2: Pick<Pm2Program, 'path' | 'version'>;
  /** PATH and the like, without any of the user's settings. */
  env: Readonly<Record<string, string>>;
  folder: string;
  admin: { email: string; password: string };
  upstream: Upstream;
  services: string;
  /** Settings that all have, the database aside. */
  settings: Record<string, string>;
  /** A database that is filled once, and that the others are copies of. */
  template: string;
  /** A new copy of it; its URL. Nobody may be connected to the template. */
  copyDatabase(): Promise<string>;
  dropDatabase(url: string): Promise<void>;
  /** Forgets what an earlier contender left in Redis. */
  emptyRedis(): Promise<void>;
}

/** What is known before it begins. */
export interface Ground extends Pick<Stage, 'python' | 'pm2' | 'env'> {
  /** The user's. */
  home: string;
}

export async function setStage(
  scope: Scope,
  { python, pm2, env, home }: Ground,
  progress: (text: string) => void,
): Promise<Stage> {
  const folder = await makeScratchFolder(scope);
  const { path } = folder;
  const { databaseUrl, redisUrl, chromaPort, upstream } = await startScratchServices(
    scope,
    { postgres: true, pgvector: false, redis: true, chroma: true },
    { folder, python, env: process.env, home, progress },
  );
  if (databaseUrl === undefined || redisUrl === undefined) throw new Error('a service is missing');
  upstream.pace = PACE;
  const apiKey = `sk-${randomBytes(12).toString('hex')}`;
  const admin = { email: 'admin@example.org', password: randomBytes(12).toString('base64url') };
  const urlOf = (name: string) => Object.assign(new URL(databaseUrl), { pathname: `/${name}` }).href;
  const query = async (text: string) => {
    const { default: pg } = await import('pg');
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      return await client.query(text);
    } finally {
      await client.end();
    }
  };
  await query(`CREATE DATABASE ${TEMPLATE}`);
  const { rows } = await query('SHOW server_version');
  return {
    python,
    pm2,
    env: { ...env, ...folder.env, XDG_CACHE_HOME: join(path, 'cache') },
    folder: path,
    admin,
    upstream,
    services: `PostgreSQL ${String(rows[0]?.server_version).split(' ')[0]}, Redis and Chroma of its own, on this machine`,
    settings: {
      REDIS_URL: redisUrl,
      VECTOR_DB: 'chroma',
      CHROMA_HTTP_HOST: '127.0.0.1',
      CHROMA_HTTP_PORT: `${chromaPort}`,
      OPENAI_API_BASE_URL: upstream.url,
      OPENAI_API_KEY: apiKey,
      ENABLE_OLLAMA_API: 'false',
      WEBUI_ADMIN_EMAIL: admin.email,
      WEBUI_ADMIN_PASSWORD: admin.password,
      // One key for all of them, so that a token of one is valid for the next.
      WEBUI_SECRET_KEY: randomBytes(24).toString('hex'),
      // Readers are users, who see no model that nobody has shared with them.
      BYPASS_MODEL_ACCESS_CONTROL: 'true',
      RAG_EMBEDDING_ENGINE: 'openai',
      RAG_EMBEDDING_MODEL: EMBEDDING_MODEL,
      RAG_OPENAI_API_BASE_URL: upstream.url,
      RAG_OPENAI_API_KEY: apiKey,
      // Nothing here may reach out to the network.
      HF_HUB_OFFLINE: '1',
      OFFLINE_MODE: 'true',
      ANONYMIZED_TELEMETRY: 'false',
      DO_NOT_TRACK: 'true',
      SCARF_NO_ANALYTICS: 'true',
    },
    template: urlOf(TEMPLATE),
    copyDatabase: async () => {
      const name = `${TEMPLATE}_${randomBytes(4).toString('hex')}`;
      await query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
      return urlOf(name);
    },
    dropDatabase: async (url) => {
      await query(`DROP DATABASE ${new URL(url).pathname.slice(1)} WITH (FORCE)`);
    },
    emptyRedis: async () => {
      const client = await connectRedis(redisUrl);
      await client.flushAll();
      client.destroy();
    },
  };
}
