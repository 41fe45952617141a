import { databaseUrl, parseDatabaseUrl } from '../facts/services/urls.ts';
import type { Reachability, ServiceFacts, Settings } from '../facts/types.ts';

/** Something that several workers need, because otherwise data or messages would be lost. */
export interface Missing {
  what: 'PostgreSQL' | 'Redis' | 'a shared vector store' | 'WebSockets';
  /** What there is instead. */
  problem: string;
  /** What to set or start. */
  mend: string;
}

export interface Requirement {
  settings: Settings;
  services: ServiceFacts;
  /** Documents in the local Chroma store. */
  hasLocalVectors: boolean;
  /** Whether the interpreter has the pgvector package. */
  hasPgvectorDriver: boolean;
}

/** Everything that this installation lacks for several workers; empty: nothing. */
export function missingForSeveralWorkers(requirement: Requirement): Missing[] {
  return [missingDatabase(requirement), ...missingRedis(requirement), missingVectorStore(requirement)].filter(
    (missing) => missing !== undefined,
  );
}

function missingDatabase({ services: { database } }: Requirement): Missing | undefined {
  if (database.kind === 'unknown') return undefined;
  const what = 'PostgreSQL';
  const mend = 'set DATABASE_URL=postgresql://user:password@127.0.0.1:5432/openwebui';
  if (database.kind === 'sqlite') {
    const problem = 'SQLite allows one writing process at a time';
    return {
      what,
      problem,
      mend: `webui-tune migrate carries its data to PostgreSQL; without data: ${mend}`,
    };
  }
  if (database.kind === 'other') {
    return {
      what,
      problem: `the database is ${database.scheme}, and only PostgreSQL locks what workers claim`,
      mend,
    };
  }
  return unreachable(what, database.where, database.answer);
}

function missingRedis(requirement: Requirement): (Missing | undefined)[] {
  const { services, settings } = requirement;
  const { redis } = services;
  const missing: (Missing | undefined)[] = [];
  if (redis.kind === 'none') {
    missing.push({
      what: 'Redis',
      problem: redisProblem(requirement),
      mend: `set REDIS_URL=${redis.found ?? 'redis://127.0.0.1:6379/0'}, which no other Open WebUI may use`,
    });
  } else if (redis.kind === 'redis') {
    missing.push(unreachable('Redis', redis.where, redis.answer));
  }
  const manager = settings.get('WEBSOCKET_MANAGER');
  if (manager && manager.value !== 'redis') {
    missing.push({
      what: 'WebSockets',
      problem: `WEBSOCKET_MANAGER is set (${manager.source}) and is not "redis"`,
      mend: 'remove WEBSOCKET_MANAGER, or set it to redis',
    });
  }
  const support = settings.get('ENABLE_WEBSOCKET_SUPPORT');
  if (support && support.value.toLowerCase() !== 'true') {
    missing.push({
      what: 'WebSockets',
      problem: `ENABLE_WEBSOCKET_SUPPORT is off (${support.source}), and polling must always reach the same worker`,
      mend: 'remove ENABLE_WEBSOCKET_SUPPORT, or set it to True',
    });
  }
  return missing;
}

function redisProblem({ services: { redis }, settings }: Requirement): string {
  // Open WebUI keeps tasks, tokens and limits only in the Redis of REDIS_URL.
  if (settings.get('WEBSOCKET_REDIS_URL')?.value) return 'WEBSOCKET_REDIS_URL is set, but not REDIS_URL';
  if (redis.kind === 'none' && redis.found)
    return `REDIS_URL is not set, though a Redis answers at ${redis.found}`;
  return 'REDIS_URL is not set, and without it workers cannot reach each other’s browsers';
}

/** Names of VECTOR_DB: open_webui/retrieval/vector/type.py. */
function missingVectorStore(requirement: Requirement): Missing | undefined {
  const { settings, services, hasLocalVectors } = requirement;
  const what = 'a shared vector store';
  const get = (name: string) => settings.get(name)?.value || undefined;
  const store = get('VECTOR_DB') ?? 'chroma';
  if (store === 'milvus' && !/^(?:https?|tcp|unix):/.test(get('MILVUS_URI') ?? '')) {
    return {
      what,
      problem: 'VECTOR_DB=milvus without a server, whose file is for one process',
      mend: 'set MILVUS_URI=http://host:19530',
    };
  }
  if (!usesLocalChroma(requirement)) return undefined;
  const server = 'start one (chroma run --path FOLDER) and set CHROMA_HTTP_HOST=127.0.0.1';
  if (hasLocalVectors) {
    return {
      what,
      problem: 'documents are in the local Chroma folder, which is for one process',
      mend:
        services.database.kind === 'sqlite'
          ? 'webui-tune migrate carries them to pgvector, with the database'
          : `${server}, with FOLDER = DATA_DIR/vector_db, which keeps the documents`,
    };
  }
  const postgres = services.database.kind === 'postgresql' && services.database.answer.up;
  if (postgres && !requirement.hasPgvectorDriver) {
    return {
      what,
      problem: 'Chroma would keep vectors in a folder, which is for one process; pgvector is not installed',
      mend: `pip install 'open-webui[postgres]' into the same environment, or ${server}`,
    };
  }
  const vector = services.database.kind === 'postgresql' ? services.database.vector : undefined;
  const problem = 'Chroma would keep vectors in a folder, which is for one process';
  if (vector === 'superuser-only') {
    return { what, problem, mend: 'as a PostgreSQL superuser, in that database: CREATE EXTENSION vector;' };
  }
  if (vector === 'missing') {
    return { what, problem, mend: `install the pgvector extension for PostgreSQL, or ${server}` };
  }
  return { what, problem, mend: `set VECTOR_DB=pgvector (in PostgreSQL), or ${server}` };
}

/** Whether vectors will be in a folder that each process opens itself: Open WebUI's default. */
export function usesLocalChroma(requirement: Requirement): boolean {
  const { settings } = requirement;
  if ((settings.get('VECTOR_DB')?.value || 'chroma') !== 'chroma') return false;
  // If nobody has asked, the plan assumes a store that several workers can share.
  if (requirement.services.database.kind === 'unknown' && !settings.has('VECTOR_DB')) return false;
  return !settings.get('CHROMA_HTTP_HOST')?.value && !choosesPgvector(requirement);
}

/**
 * Whether the plan may choose VECTOR_DB=pgvector by itself: no store is set, no document would disappear from view, and the
 * database has the extension or lets us create it.
 */
export function choosesPgvector(requirement: Requirement): boolean {
  const { settings, services, hasLocalVectors, hasPgvectorDriver } = requirement;
  if (settings.get('VECTOR_DB')?.value || settings.get('CHROMA_HTTP_HOST')?.value || hasLocalVectors)
    return false;
  const { database } = services;
  if (!hasPgvectorDriver || database.kind !== 'postgresql') return false;
  return database.vector === 'installed' || database.vector === 'creatable';
}

/** Whether vectors will be in PostgreSQL, for which each worker has a separate connection pool. */
export function usesPgvector(requirement: Requirement): boolean {
  const { settings } = requirement;
  const own = settings.get('PGVECTOR_DB_URL')?.value;
  // Another server has its own connections; another database on the same server does not.
  if (own && !isSameServer(own, databaseUrl(settings))) return false;
  return settings.get('VECTOR_DB')?.value === 'pgvector' || choosesPgvector(requirement);
}

function isSameServer(url: string, other: string | undefined): boolean {
  const servers = [url, other ?? ''].map((text) => {
    const parsed = parseDatabaseUrl(text);
    return parsed && `${parsed.host ?? parsed.query.get('host') ?? 'localhost'}:${parsed.port ?? 5432}`;
  });
  return servers[0] !== undefined && servers[0] === servers[1];
}

function unreachable(what: Missing['what'], where: string, answer: Reachability): Missing | undefined {
  if (answer.up) return undefined;
  return {
    what,
    problem: `${where} is configured but does not answer: ${answer.reason}`,
    mend: 'start it, and run webui-tune again for more workers',
  };
}
