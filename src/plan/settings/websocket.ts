import type { SettingsGroup } from './group.ts';

/** How workers reach browsers that another worker holds: open_webui/socket/main.py. */
export const websocketGroup: SettingsGroup = {
  keys: ['WEBSOCKET_MANAGER', 'ENABLE_WEBSOCKET_SUPPORT'],
  recommend({ workers }) {
    if (workers === 1) return [];
    return [
      {
        key: 'WEBSOCKET_MANAGER',
        value: 'redis',
        reason: 'events reach the browser, whichever worker holds its socket',
      },
      {
        key: 'ENABLE_WEBSOCKET_SUPPORT',
        value: 'True',
        reason: 'polling would have to come back to the same worker',
      },
    ];
  },
};
