import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, TuneError } from '../../base/errors.ts';
import { type Info, parseInfo } from '../../facts/services/broker-kind.ts';
import { type Broker, connected, findBroker, type RedisClient } from '../../facts/services/redis.ts';
import { ANSWER_TIMEOUT, reasonOf, within } from '../../facts/services/timeout.ts';
import type { Settings } from '../../facts/types.ts';

/** socket.io's channel: open_webui/socket/main.py gives its manager no other name, and it has no prefix. */
export const CHANNEL = 'socketio';

/** Milliseconds that a PING may take: each call stops its worker's event loop for as long. */
export const SLOW_PING = 2;
/** Milliseconds in which a quick one is looked for, and between two: the others show how busy this machine is. */
const PINGING = 1_000;
const BETWEEN_PINGS = 20;

export interface BrokerFacts {
  where: string;
  /** Milliseconds of the first PING that is quick enough, else of the quickest. */
  pingMs: number;
  /** What Open WebUI does with it, each tried as its user: the reason where it is refused, else undefined. */
  rights: Readonly<Record<'write' | 'subscribe' | 'publish', string | undefined>>;
  /** Milliseconds until a message that was published came back; undefined: it did not. */
  echoMs?: number;
  /** CONFIG GET; undefined where the user may not ask. */
  config?: Readonly<Record<string, string>>;
  /** INFO, by its keys. */
  info: Info;
  /** Who listens on socket.io's channel; undefined where the user may not ask. */
  listeners?: number;
}

/** The broker that carries live updates; throws TuneError where there is none to ask. */
export async function openBroker(settings: Settings): Promise<Broker> {
  const name = settings.get('WEBSOCKET_REDIS_URL')?.value ? 'WEBSOCKET_REDIS_URL' : 'REDIS_URL';
  const broker = await findBroker(name, settings.get(name)?.value ?? '', settings);
  if ('reason' in broker) throw new TuneError(broker.reason, EXIT.service);
  return broker;
}

/** Asks the broker all that its user may know, and tries what Open WebUI does. Throws TuneError. */
export async function readBroker(settings: Settings): Promise<BrokerFacts> {
  const broker = await openBroker(settings);
  const prefix = settings.get('REDIS_KEY_PREFIX')?.value || 'open-webui';
  try {
    return await connected(broker.client(), 2 * ANSWER_TIMEOUT, async (client) => {
      const [config, info, listeners] = await Promise.all([
        readConfig(client),
        readInfo(client),
        count(client),
      ]);
      const { echoMs, ...pubsub } = await echo(broker, client);
      return {
        where: broker.where,
        pingMs: await bestPing(client),
        rights: { write: await writeOnce(client, prefix), ...pubsub },
        ...(echoMs !== undefined && { echoMs }),
        ...(config && { config }),
        info,
        ...(listeners !== undefined && { listeners }),
      };
    });
  } catch (error) {
    throw new TuneError(`${broker.where} does not answer: ${reasonOf(error)}`, EXIT.service);
  }
}

async function bestPing(client: RedisClient): Promise<number> {
  const begun = performance.now();
  let best = Number.POSITIVE_INFINITY;
  for (;;) {
    const started = performance.now();
    await client.ping();
    best = Math.min(best, performance.now() - started);
    if (best <= SLOW_PING || performance.now() - begun > PINGING) return best;
    await sleep(BETWEEN_PINGS);
  }
}

/** The reason why it cannot; undefined: it can. */
async function writeOnce(client: RedisClient, prefix: string): Promise<string | undefined> {
  const key = `${prefix}:webui-tune:doctor:${randomBytes(6).toString('hex')}`;
  try {
    await client.set(key, '1', { expiration: { type: 'EX', value: 10 } });
    const value = await client.get(key);
    await client.del(key);
    return value === '1' ? undefined : 'what was written did not come back';
  } catch (error) {
    const reason = reasonOf(error);
    // Another node of the cluster holds this key, and would accept it.
    return reason.startsWith('MOVED ') ? undefined : reason;
  }
}

/**
 * Listens on socket.io's own channel and sends a message there. Workers ignore it, because they ignore methods that
 * they do not know (socketio/async_pubsub_manager.py, _thread).
 */
async function echo(
  broker: Broker,
  client: RedisClient,
): Promise<{ subscribe: string | undefined; publish: string | undefined; echoMs?: number }> {
  const message = JSON.stringify({ method: 'webui-tune', id: randomBytes(6).toString('hex') });
  return connected(broker.client(), ANSWER_TIMEOUT, async (listener) => {
    let hear = (_: number) => {};
    const heard = new Promise<number>((resolve) => {
      hear = resolve;
    });
    const subscribe = await listener
      .subscribe([CHANNEL, `${CHANNEL}#/#webui-tune`], (text) => {
        if (text === message) hear(performance.now());
      })
      .then(() => undefined, reasonOf);
    const started = performance.now();
    const publish = await client.publish(CHANNEL, message).then(() => undefined, reasonOf);
    if (subscribe !== undefined || publish !== undefined) return { subscribe, publish };
    const arrived = await within(ANSWER_TIMEOUT / 2, heard).catch(() => undefined);
    return { subscribe, publish, ...(arrived !== undefined && { echoMs: arrived - started }) };
  });
}

async function readConfig(client: RedisClient): Promise<BrokerFacts['config']> {
  try {
    return await client.configGet([
      'appendonly',
      'client-output-buffer-limit',
      'maxclients',
      'maxmemory',
      'maxmemory-policy',
      'save',
      'timeout',
    ]);
  } catch {
    return undefined; // its user may not, or a provider has taken CONFIG away
  }
}

async function readInfo(client: RedisClient): Promise<BrokerFacts['info']> {
  return parseInfo(await client.info().catch(() => ''));
}

async function count(client: RedisClient): Promise<number | undefined> {
  try {
    const answer = await client.pubSubNumSub([CHANNEL]);
    return Number(answer[CHANNEL] ?? 0);
  } catch {
    return undefined;
  }
}
