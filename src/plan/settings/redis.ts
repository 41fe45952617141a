import type { SettingsGroup } from './group.ts';

/**
 * Redis connections: open_webui/env.py, "REDIS". Open WebUI calls Redis synchronously from its event loop, by default
 * without timeouts: one call that hangs would block a whole worker.
 */
export const redisGroup: SettingsGroup = {
  keys: [
    'REDIS_SOCKET_CONNECT_TIMEOUT',
    'REDIS_SOCKET_TIMEOUT',
    'REDIS_HEALTH_CHECK_INTERVAL',
    'REDIS_SOCKET_KEEPALIVE',
  ],
  recommend({ services: { redis } }) {
    if (redis.kind === 'none') return [];
    return [
      // Seconds. A Redis nearby answers within milliseconds; idle Pub/Sub listeners are not affected (redis-py 8).
      {
        key: 'REDIS_SOCKET_CONNECT_TIMEOUT',
        value: '5',
        reason: 'seconds after which an unreachable Redis is an error',
      },
      {
        key: 'REDIS_SOCKET_TIMEOUT',
        value: '5',
        reason: 'seconds after which a call that hangs is an error, because it blocks the worker',
      },
      // Seconds; below the 1800 after which a Redis that is configured as documented closes idle connections.
      {
        key: 'REDIS_HEALTH_CHECK_INTERVAL',
        value: '60',
        reason: 'seconds between checks of an idle connection',
      },
      {
        key: 'REDIS_SOCKET_KEEPALIVE',
        value: 'True',
        reason: 'detects connections that a firewall has dropped',
      },
    ];
  },
};
