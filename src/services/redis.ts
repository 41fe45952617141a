import { EXIT, TuneError } from '../errors.ts';
import type { RedisFacts, Settings } from '../types.ts';
import { ANSWER_TIMEOUT, reasonOf, within } from './timeout.ts';

/** Where Redis listens if nobody says otherwise. */
const USUAL_ADDRESS = 'redis://127.0.0.1:6379/0';

/** Milliseconds for a Redis that nobody asked for: it is on this machine or it is not there. */
const SEARCH_TIMEOUT = 200;

const SCHEMES = ['redis:', 'rediss:', 'unix:'];

/**
 * Asks the configured Redis (with Sentinel: the first sentinel) with PING. Without one, looks for a Redis at the usual
 * address, only so that the report can name it. Throws TuneError for a URL that Open WebUI would die of.
 */
export async function askRedis(settings: Settings): Promise<RedisFacts> {
  const url = settings.get('REDIS_URL')?.value;
  const websockets = settings.get('WEBSOCKET_REDIS_URL')?.value;
  if (websockets) parseRedisUrl('WEBSOCKET_REDIS_URL', websockets);
  if (!url) return searchRedis();
  const target = parseRedisUrl('REDIS_URL', url);
  const sentinel = settings.get('REDIS_SENTINEL_HOSTS')?.value.split(',')[0]?.trim();
  if (sentinel) {
    target.protocol = 'redis:';
    target.host = `${sentinel}:${settings.get('REDIS_SENTINEL_PORT')?.value || 26379}`;
    target.username = target.password = '';
  }
  const where = target.protocol === 'unix:' ? target.pathname : target.host || 'localhost:6379';
  const redis = await loadPackage();
  try {
    const { version, ...numbers } = await ping(redis, target, ANSWER_TIMEOUT);
    // A sentinel's numbers are its own, not those of the Redis that it names.
    return { kind: 'redis', where, answer: { up: true, version }, ...(!sentinel && numbers) };
  } catch (error) {
    return { kind: 'redis', where, answer: { up: false, reason: reasonOf(error) } };
  }
}

export function parseRedisUrl(name: string, text: string): URL {
  const form = `${name}=redis://127.0.0.1:6379/0`;
  const mend = [`write it as ${form}, rediss://… for TLS, or unix:///path/to/redis.sock`];
  if (!URL.canParse(text)) throw new TuneError(`${name} is not a URL`, EXIT.settings, mend);
  const url = new URL(text);
  if (!SCHEMES.includes(url.protocol)) {
    // Not what it begins with: that may be the password.
    throw new TuneError(`${name} does not begin with redis:`, EXIT.settings, mend);
  }
  return url;
}

async function searchRedis(): Promise<RedisFacts> {
  const redis = await loadPackage();
  try {
    await ping(redis, new URL(USUAL_ADDRESS), SEARCH_TIMEOUT);
    return { kind: 'none', found: USUAL_ADDRESS };
  } catch {
    return { kind: 'none' };
  }
}

type RedisPackage = typeof import('redis');

/** Outside of every `try`: a package that does not load is no Redis that does not answer. */
async function loadPackage(): Promise<RedisPackage> {
  // CommonJS: bundled, it has no named exports.
  const { default: redis } = await import('redis');
  return redis;
}

interface Answer
  extends Pick<
    Extract<RedisFacts, { kind: 'redis' }>,
    'maxClients' | 'clients' | 'usedMemory' | 'maxMemory'
  > {
  version: string;
}

/** What the server that answers says about itself; an ACL may keep INFO from us. */
async function ping({ createClient }: RedisPackage, url: URL, timeout: number): Promise<Answer> {
  // redis-py's name for "any certificate".
  const anyCertificate = url.searchParams.get('ssl_cert_reqs') === 'none';
  const once = { connectTimeout: timeout, reconnectStrategy: false } as const;
  const client =
    url.protocol === 'unix:'
      ? createClient({ socket: { path: url.pathname, tls: false, ...once } })
      : url.protocol === 'rediss:'
        ? createClient({ url: url.href, socket: { tls: true, rejectUnauthorized: !anyCertificate, ...once } })
        : createClient({ url: url.href, socket: { ...once } });
  // Errors also come as events; the promise below tells the same.
  client.on('error', () => {});
  try {
    await within(timeout, client.connect());
    await within(timeout, client.ping());
    const info = await within(timeout, client.info()).catch(() => '');
    const number = (name: string, key: string) => {
      const text = new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1];
      return text === undefined ? {} : { [key]: Number(text) };
    };
    return {
      version: /^redis_version:(\S+)/m.exec(info)?.[1] ?? '?',
      ...number('maxclients', 'maxClients'),
      ...number('connected_clients', 'clients'),
      ...number('used_memory', 'usedMemory'),
      ...number('maxmemory', 'maxMemory'),
    };
  } finally {
    if (client.isOpen) client.destroy();
  }
}
