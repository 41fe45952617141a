import type { SettingsGroup } from './group.ts';

/**
 * Redis connections: open_webui/env.py, "REDIS". Open WebUI calls Redis synchronously from its event loop and has no
 * timeouts unless told so: one call that hangs would stall a whole worker.
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
        reason: 'seconds until an unreachable Redis is an error, not a stall',
      },
      {
        key: 'REDIS_SOCKET_TIMEOUT',
        value: '5',
        reason: 'seconds: one slow call may not stall a worker for ever',
      },
      // Seconds; below the 1800 that Redis closes idle connections after where it is set up as documented.
      {
        key: 'REDIS_HEALTH_CHECK_INTERVAL',
        value: '60',
        reason: 'seconds between checks of an idle connection',
      },
      {
        key: 'REDIS_SOCKET_KEEPALIVE',
        value: 'True',
        reason: 'a connection that a firewall dropped is noticed',
      },
    ];
  },
};
