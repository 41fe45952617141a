import { EXIT, TuneError } from '../../base/errors.ts';
import type { SentinelFacts, Settings } from '../types.ts';

/** Where the sentinels are and what they are asked for: open_webui/utils/redis.py and env.py (0.12.4). */
export interface SentinelSettings {
  /** In the order in which they are asked; all listen on the same port. */
  hosts: string[];
  port: number;
  /** Name of the master: the host of REDIS_URL, to the letter. */
  master: string;
  /** For the sentinels and the Redis servers alike: Open WebUI has one pair for both. Not decoded, as in Open WebUI. */
  username?: string;
  password?: string;
  database: number;
}

const DEFAULT_PORT = 26_379;

/** The name that Open WebUI takes where the URL has none. */
const DEFAULT_MASTER = 'mymaster';

/** The user's sentinels; undefined: none. Throws TuneError for settings that Open WebUI could not work with. */
export function readSentinelSettings(settings: Settings, url: string): SentinelSettings | undefined {
  const get = (name: string) => settings.get(name)?.value;
  const hosts = hostsOf('REDIS_SENTINEL_HOSTS', get('REDIS_SENTINEL_HOSTS'));
  hostsOf('WEBSOCKET_SENTINEL_HOSTS', get('WEBSOCKET_SENTINEL_HOSTS'));
  if (hosts.length === 0) return undefined;
  const parts =
    /^rediss?:\/\/(?:(?<user>[^@]*)@)?(?<name>[^:/?#]*)(?::\d+)?(?:\/(?<database>\d*))?(?:[?#].*)?$/s.exec(
      url,
    );
  if (!parts?.groups) {
    throw new TuneError(
      'REDIS_URL does not name a master for the sentinels of REDIS_SENTINEL_HOSTS',
      EXIT.settings,
      [`write it as REDIS_URL=redis://:password@${DEFAULT_MASTER}/0, with the name that the sentinels know`],
    );
  }
  const { user = '', name, database } = parts.groups;
  const [username = '', ...password] = user.split(':');
  return {
    hosts,
    port: portOf('REDIS_SENTINEL_PORT', get('REDIS_SENTINEL_PORT')),
    master: name || DEFAULT_MASTER,
    ...(username && { username }),
    ...(password.length > 0 && password.join(':') && { password: password.join(':') }),
    database: Number(database || 0),
  };
}

/** Open WebUI gives all of them one port, and would look up "host:port" as a name. */
function hostsOf(name: string, text = ''): string[] {
  const hosts = text
    .split(',')
    .map((host) => host.trim())
    .filter(Boolean);
  const wrong = hosts.find((host) => /^[^:]*:\d+$|[/@\s]/.test(host));
  if (wrong === undefined) return hosts;
  // The message does not quote the value, which may be a URL with a password.
  throw new TuneError(`${name} is not a list of host names: Open WebUI takes no ports there`, EXIT.settings, [
    `write it as ${name}=host1,host2,host3, and the port that they share into ${name.replace('HOSTS', 'PORT')}`,
  ]);
}

function portOf(name: string, text: string | undefined): number {
  if (!text) return DEFAULT_PORT;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new TuneError(`${name} is ${JSON.stringify(text)}, not a port`, EXIT.settings);
}

/** Sends one command to a sentinel and returns its answer (redis.ts). */
export type Ask = (host: string, port: number, command: string[]) => Promise<unknown>;

export interface FoundMaster {
  host: string;
  port: number;
  facts: SentinelFacts;
}

/**
 * Asks the sentinels for the master, all at once. Throws an Error in words where none of them knows one: Open WebUI
 * would not reach Redis either.
 */
export async function findMaster({ hosts, port, master }: SentinelSettings, ask: Ask): Promise<FoundMaster> {
  const answers = await Promise.allSettled(
    hosts.map((host) => ask(host, port, ['SENTINEL', 'MASTER', master])),
  );
  const unreachable: string[] = [];
  let found: Record<string, string> | undefined;
  for (const [index, answer] of answers.entries()) {
    if (answer.status === 'fulfilled') found ??= pairsOf(answer.value);
    else unreachable.push(`${hosts[index]}: ${messageOf(answer.reason)}`);
  }
  if (!found?.ip || !found.port) {
    throw new Error(`no sentinel knows the master ${master} (${unreachable.join('; ') || 'an odd answer'})`);
  }
  if (/\b[so]_down\b/.test(found.flags ?? '')) {
    throw new Error(`the sentinels take the master ${master} at ${found.ip}:${found.port} for dead`);
  }
  const number = (key: string) => Number(found[key] ?? 0);
  return {
    host: found.ip,
    port: Number(found.port),
    facts: {
      master,
      sentinels: number('num-other-sentinels') + 1,
      quorum: number('quorum'),
      replicas: number('num-slaves'),
      downAfterMs: number('down-after-milliseconds'),
      unreachable,
    },
  };
}

/** A list of names and values in turn (RESP2), or a map (RESP3). */
function pairsOf(value: unknown): Record<string, string> {
  if (Array.isArray(value)) {
    const entries = Array.from({ length: value.length / 2 }, (_, i) => [value[2 * i], value[2 * i + 1]]);
    return Object.fromEntries(entries.map(([key, text]) => [String(key), String(text)]));
  }
  if (value instanceof Map) return pairsOf([...value].flat());
  if (typeof value === 'object' && value !== null) return pairsOf(Object.entries(value).flat());
  return {};
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (/without any password configured/.test(text)) {
    return 'it has no password, and refuses the one of REDIS_URL, which Open WebUI sends it (requirepass in sentinel.conf)';
  }
  return text.split('\n', 1)[0] || 'unknown error';
}
