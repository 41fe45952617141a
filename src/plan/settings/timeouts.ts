import type { SettingsGroup } from './group.ts';

/**
 * Requests to models and tools: open_webui/env.py, AIOHTTP_CLIENT_TIMEOUT and WEBSOCKET_SERVER_PING_TIMEOUT (0.12.4).
 * Without them a provider that hangs holds a task, its connection and its memory endlessly.
 */
export const timeoutsGroup: SettingsGroup = {
  keys: ['AIOHTTP_CLIENT_TIMEOUT', 'WEBSOCKET_SERVER_PING_TIMEOUT'],
  recommend: () => [
    {
      key: 'AIOHTTP_CLIENT_TIMEOUT',
      // Half an hour: models that reason take minutes, and none takes this long. The documentation's value.
      value: '1800',
      reason: 'seconds after which an endless answer is given up',
    },
    {
      key: 'WEBSOCKET_SERVER_PING_TIMEOUT',
      // 20 by default: a phone that changes its network, or a busy worker, needs longer.
      value: '60',
      reason: 'seconds after which a browser that does not answer counts as gone',
    },
  ],
};
