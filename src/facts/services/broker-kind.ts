/** Servers that speak Redis's protocol, and that Open WebUI works with. */
export const BROKERS = ['Redis', 'Valkey', 'Dragonfly', 'KeyDB'] as const;
export type BrokerName = (typeof BROKERS)[number];

export interface BrokerKind {
  name: BrokerName;
  /** Its own version, not that of the Redis that it claims to be. */
  version: string;
  /** Whether it is a node of a cluster that shares the keys out. */
  isCluster: boolean;
}

export type Info = Readonly<Record<string, string>>;

/** The answer to INFO, by its keys. */
export function parseInfo(text: string): Info {
  return Object.fromEntries([...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, key, value]) => [key, value]));
}

/**
 * Tells them apart by INFO. All of them have a `redis_version`, the others for the sake of clients that look at
 * it. Undefined: INFO is empty (an ACL denies it to us).
 */
export function brokerOf(info: Info): BrokerKind | undefined {
  const isCluster =
    info.redis_mode === 'cluster' || info.server_mode === 'cluster' || info.cluster_enabled === '1';
  const { redis_version, valkey_version, dragonfly_version } = info;
  if (valkey_version !== undefined) return { name: 'Valkey', version: valkey_version, isCluster };
  // `df-v1.40.1`
  if (dragonfly_version !== undefined)
    return { name: 'Dragonfly', version: dragonfly_version.replace(/^df-v?/, ''), isCluster };
  if (redis_version === undefined) return undefined;
  // It has no version field of its own (Snapchat/KeyDB#981): a section, threads, and the name of its program.
  const isKeydb =
    ['mvcc_depth', 'server_threads'].some((key) => key in info) || /keydb/.test(info.executable ?? '');
  return { name: isKeydb ? 'KeyDB' : 'Redis', version: redis_version, isCluster };
}
