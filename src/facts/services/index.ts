import type { Colocated, DatabaseFacts, RedisFacts, ServiceFacts, Settings } from '../types.ts';
import { askChroma } from './chroma.ts';
import { askOllama, chromaOf, isOnThisMachine, postgresOf, redisOf } from './colocated.ts';
import { askPostgres } from './postgres.ts';
import { askRedis } from './redis.ts';
import { databaseUrl, parseDatabaseUrl, readDatabaseUrl } from './urls.ts';

/**
 * Asks everything that Open WebUI is configured to use, all at once, in at most ANSWER_TIMEOUT. A service that does not
 * answer is a fact, not an error; TuneError is for settings that cannot work at all.
 */
export async function askServices(settings: Settings): Promise<ServiceFacts> {
  const [database, redis, chroma] = await Promise.all([
    askDatabase(settings),
    askRedis(settings),
    askChroma(settings),
  ]);
  return withColocated(settings, { database, redis, ...(chroma && { chroma }) });
}

/** The answers, and which of the services are on this machine. Looks for an Ollama too. */
export async function withColocated(settings: Settings, asked: ServiceFacts): Promise<ServiceFacts> {
  const ollama = await askOllama(settings);
  const colocated = [...colocatedOf(settings, asked), ...(ollama ? [ollama] : [])];
  return { ...asked, ...(colocated.length > 0 && { colocated }) };
}

/** Those that answered, from this machine. */
function colocatedOf(settings: Settings, { database, redis, chroma }: ServiceFacts): Colocated[] {
  const found: Colocated[] = [];
  const url = parseDatabaseUrl(databaseUrl(settings) ?? '');
  if (
    database.kind === 'postgresql' &&
    database.answer.up &&
    isOnThisMachine(url?.host ?? url?.query.get('host') ?? '')
  ) {
    found.push(postgresOf(database.where, database.sharedBuffers ?? 0, database.size ?? 0));
  }
  if (redis.kind === 'redis' && redis.answer.up && isOnThisMachine(redisHost(redis, settings))) {
    found.push(redisOf(redis.where, redis.usedMemory ?? 0, redis.maxMemory ?? 0));
  }
  if (chroma?.answer.up && isOnThisMachine(settings.get('CHROMA_HTTP_HOST')?.value))
    found.push(chromaOf(chroma.where));
  return found;
}

/** With Sentinel, REDIS_URL has the master's name in place of a host. */
function redisHost(redis: Extract<RedisFacts, { kind: 'redis' }>, settings: Settings): string {
  if (redis.sentinel) return redis.where.slice(0, redis.where.lastIndexOf(':'));
  return hostOf(settings.get('REDIS_URL')?.value);
}

function hostOf(url: string | undefined): string {
  return url && URL.canParse(url) ? new URL(url).hostname : '';
}

/** Asks the configured database. Throws TuneError for a URL that would end Open WebUI. */
export async function askDatabase(settings: Settings): Promise<DatabaseFacts> {
  const text = databaseUrl(settings);
  if (text === undefined) return { kind: 'sqlite' };
  const url = readDatabaseUrl('DATABASE_URL', text);
  if (url.scheme === 'sqlite') return { kind: 'sqlite' };
  if (url.scheme !== 'postgresql') return { kind: 'other', scheme: url.scheme };
  const facts = await askPostgres(url, settings.get('DATABASE_SCHEMA')?.value || undefined);
  const vectors = settings.get('PGVECTOR_DB_URL')?.value;
  if (!vectors) return facts;
  // Vectors have a database of their own, which is the one that needs the extension.
  const { vector, ...other } = facts;
  const { vector: there } = await askPostgres(readDatabaseUrl('PGVECTOR_DB_URL', vectors));
  return { ...other, ...(there && { vector: there }) };
}

/**
 * Loads the client packages that `hints` mentions while something else is awaited: loading Redis's takes longer than a
 * plan. Nothing depends on it.
 */
export async function loadClients(hints: string): Promise<void> {
  await Promise.all([
    ...(/DATABASE_(?:URL|TYPE)/.test(hints) ? [import('pg')] : []),
    ...(hints.includes('REDIS_URL') ? [import('redis')] : []),
  ]);
}
