import { EXIT, TuneError } from '../errors.ts';
import type { RedisFacts, Settings } from '../types.ts';
import { findMaster, readSentinelSettings, type SentinelSettings } from './sentinel.ts';
import { ANSWER_TIMEOUT, reasonOf, within } from './timeout.ts';

/** Where Redis listens if nobody says otherwise. */
const USUAL_ADDRESS = 'redis://127.0.0.1:6379/0';

/** Milliseconds for a Redis that nobody asked for: it is on this machine or it is not there. */
const SEARCH_TIMEOUT = 200;

const SCHEMES = ['redis:', 'rediss:', 'unix:'];

/**
 * Asks the configured Redis with PING; with Sentinel, the master that the sentinels name. Without one, looks for a Redis
 * at the usual address, only so that the report can name it. Throws TuneError for settings that Open WebUI would die of.
 */
export async function askRedis(settings: Settings): Promise<RedisFacts> {
  const url = settings.get('REDIS_URL')?.value;
  const websockets = settings.get('WEBSOCKET_REDIS_URL')?.value;
  if (websockets) parseRedisUrl('WEBSOCKET_REDIS_URL', websockets);
  if (!url) return searchRedis();
  const target = parseRedisUrl('REDIS_URL', url);
  const sentinels = readSentinelSettings(settings, url);
  const redis = await loadPackage();
  if (sentinels) return askThroughSentinel(redis, sentinels);
  const where = target.protocol === 'unix:' ? target.pathname : target.host || 'localhost:6379';
  try {
    const { version, ...numbers } = await ping(redis, target, ANSWER_TIMEOUT);
    return { kind: 'redis', where, answer: { up: true, version }, ...numbers };
  } catch (error) {
    return { kind: 'redis', where, answer: { up: false, reason: reasonOf(error) } };
  }
}

async function askThroughSentinel(redis: RedisPackage, sentinels: SentinelSettings): Promise<RedisFacts> {
  const { username, password, database, hosts, port, master } = sentinels;
  const credentials = { ...(username && { username }), ...(password && { password }) };
  const optionsOf = (host: string, onPort: number) => ({
    ...credentials,
    socket: { host, port: onPort, connectTimeout: ANSWER_TIMEOUT, reconnectStrategy: false as const },
  });
  let where = `the master ${master} of the sentinels ${hosts.join(', ')} (port ${port})`;
  try {
    const found = await findMaster(sentinels, (host, onPort, command) =>
      connected(redis.createClient(optionsOf(host, onPort)), ANSWER_TIMEOUT, (client) =>
        client.sendCommand(command),
      ),
    );
    where = `${found.host}:${found.port}`;
    const client = redis.createClient({ ...optionsOf(found.host, found.port), database });
    const { version, ...numbers } = await connected(client, ANSWER_TIMEOUT, inquire);
    return { kind: 'redis', where, answer: { up: true, version }, ...numbers, sentinel: found.facts };
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
  return connected(client, timeout, inquire);
}

interface Client {
  on(event: 'error', listener: () => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
  readonly isOpen: boolean;
}

/** Connects, asks and disconnects; each step within `timeout` milliseconds. */
async function connected<C extends Client, T>(
  client: C,
  timeout: number,
  ask: (client: C) => Promise<T>,
): Promise<T> {
  // Errors also come as events; the promise below tells the same.
  client.on('error', () => {});
  try {
    await within(timeout, client.connect());
    return await within(timeout, ask(client));
  } finally {
    if (client.isOpen) client.destroy();
  }
}

async function inquire(client: { ping(): Promise<unknown>; info(): Promise<string> }): Promise<Answer> {
  await client.ping();
  const info = await within(ANSWER_TIMEOUT, client.info()).catch(() => '');
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
}
