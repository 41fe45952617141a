import { EXIT, TuneError } from '../../base/errors.ts';
import type { RedisFacts, SentinelFacts, Settings } from '../types.ts';
import { type BrokerKind, brokerOf, parseInfo } from './broker-kind.ts';
import { searchRedis } from './search.ts';
import { findMaster, readSentinelSettings, type SentinelSettings } from './sentinel.ts';
import { ANSWER_TIMEOUT, reasonOf, within } from './timeout.ts';

const SCHEMES = ['redis:', 'rediss:', 'unix:'];

/**
 * Asks the configured Redis with PING; with Sentinel, the master that the sentinels name. Without one, looks for a
 * Redis at the usual address, only so that the report can name it. Throws TuneError for settings that would end Open
 * WebUI.
 */
export async function askRedis(settings: Settings): Promise<RedisFacts> {
  const url = settings.get('REDIS_URL')?.value;
  const websockets = settings.get('WEBSOCKET_REDIS_URL')?.value;
  if (websockets) parseRedisUrl('WEBSOCKET_REDIS_URL', websockets);
  if (!url) {
    const found = await searchRedis();
    return { kind: 'none', ...(found !== undefined && { found }) };
  }
  const broker = await findBroker('REDIS_URL', url, settings);
  if ('reason' in broker) {
    return { kind: 'redis', where: broker.where, answer: { up: false, reason: broker.reason } };
  }
  const { where, sentinel } = broker;
  try {
    const { version, ...numbers } = await connected(broker.client(), ANSWER_TIMEOUT, inquire);
    return { kind: 'redis', where, answer: { up: true, version }, ...numbers, ...(sentinel && { sentinel }) };
  } catch (error) {
    return { kind: 'redis', where, answer: { up: false, reason: reasonOf(error) } };
  }
}

/** A server that can be asked; `client` makes a new connection, which is not open yet. */
export interface Broker {
  where: string;
  client(): RedisClient;
  sentinel?: SentinelFacts;
}

/**
 * The server of `url`, or the master that the user's sentinels name; the reason where they name none. Throws TuneError
 * for settings that would end Open WebUI.
 */
export async function findBroker(
  name: string,
  url: string,
  settings: Settings,
): Promise<Broker | { where: string; reason: string }> {
  const target = parseRedisUrl(name, url);
  const sentinels = readSentinelSettings(settings, url);
  const redis = await loadRedis();
  if (sentinels) return findMasterBroker(redis, sentinels);
  const where = target.protocol === 'unix:' ? target.pathname : target.host || 'localhost:6379';
  return { where, client: () => clientOf(redis, target, ANSWER_TIMEOUT) };
}

async function findMasterBroker(
  redis: RedisPackage,
  { username, password, database, ...sentinels }: SentinelSettings,
): Promise<Broker | { where: string; reason: string }> {
  const credentials = { ...(username && { username }), ...(password && { password }) };
  const optionsOf = (host: string, onPort: number) => ({
    ...credentials,
    socket: { host, port: onPort, connectTimeout: ANSWER_TIMEOUT, reconnectStrategy: false as const },
  });
  try {
    const { host, port, facts } = await findMaster({ ...sentinels, database }, (host, onPort, command) =>
      connected(redis.createClient(optionsOf(host, onPort)), ANSWER_TIMEOUT, (client) =>
        client.sendCommand(command),
      ),
    );
    return {
      where: `${host}:${port}`,
      client: () => redis.createClient({ ...optionsOf(host, port), database }) as RedisClient,
      sentinel: facts,
    };
  } catch (error) {
    const { master, hosts, port } = sentinels;
    return {
      where: `the master ${master} of the sentinels ${hosts.join(', ')} (port ${port})`,
      reason: reasonOf(error),
    };
  }
}

export function parseRedisUrl(name: string, text: string): URL {
  const form = `${name}=redis://127.0.0.1:6379/0`;
  const mend = [`write it as ${form}, rediss://… for TLS, or unix:///path/to/redis.sock`];
  if (!URL.canParse(text)) throw new TuneError(`${name} is not a URL`, EXIT.settings, mend);
  const url = new URL(text);
  if (!SCHEMES.includes(url.protocol)) {
    // The message does not quote the beginning, which may be the password.
    throw new TuneError(`${name} does not begin with redis:`, EXIT.settings, mend);
  }
  return url;
}

type RedisPackage = typeof import('redis');
export type RedisClient = ReturnType<RedisPackage['createClient']>;

/** Not within a `try`: a package that does not load is not a Redis that does not answer. */
export async function loadRedis(): Promise<RedisPackage> {
  // CommonJS: bundled, it has no named exports, and under tsx it has nothing else.
  const redis: RedisPackage & { default?: RedisPackage } = await import('redis');
  return redis.default ?? redis;
}

interface Answer
  extends Pick<
    Extract<RedisFacts, { kind: 'redis' }>,
    'broker' | 'isCluster' | 'maxClients' | 'clients' | 'usedMemory' | 'maxMemory'
  > {
  version: string;
}

function clientOf({ createClient }: RedisPackage, url: URL, timeout: number): RedisClient {
  // redis-py's name for "any certificate".
  const anyCertificate = url.searchParams.get('ssl_cert_reqs') === 'none';
  const once = { connectTimeout: timeout, reconnectStrategy: false } as const;
  if (url.protocol === 'unix:')
    return createClient({ socket: { path: url.pathname, tls: false, ...once } }) as ReturnType<
      Broker['client']
    >;
  const socket =
    url.protocol === 'rediss:' ? { tls: true as const, rejectUnauthorized: !anyCertificate, ...once } : once;
  return createClient({ url: url.href, socket }) as RedisClient;
}

interface Client {
  on(event: 'error', listener: () => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
  readonly isOpen: boolean;
}

/** Connects, asks and disconnects; each step within `timeout` milliseconds. */
export async function connected<C extends Client, T>(
  client: C,
  timeout: number,
  ask: (client: C) => Promise<T>,
): Promise<T> {
  // Errors also come as events. The promise below reports them too.
  client.on('error', () => {});
  try {
    await within(timeout, client.connect());
    return await within(timeout, ask(client));
  } finally {
    if (client.isOpen) client.destroy();
  }
}

/** What the server says about itself. An ACL may deny us INFO. */
async function inquire(client: { ping(): Promise<unknown>; info(): Promise<string> }): Promise<Answer> {
  await client.ping();
  const info = parseInfo(await within(ANSWER_TIMEOUT, client.info()).catch(() => ''));
  const number = (name: string, key: string) => {
    const text = info[name];
    return text === undefined || !/^\d+/.test(text) ? {} : { [key]: Number.parseInt(text, 10) };
  };
  const kind: Partial<BrokerKind> = brokerOf(info) ?? {};
  return {
    version: kind.version ?? '?',
    ...(kind.name && { broker: kind.name }),
    ...(kind.isCluster && { isCluster: true }),
    ...number('maxclients', 'maxClients'),
    ...number('connected_clients', 'clients'),
    ...number('used_memory', 'usedMemory'),
    ...number('maxmemory', 'maxMemory'),
  };
}
