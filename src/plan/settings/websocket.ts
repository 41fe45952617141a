import type { SettingsGroup } from './group.ts';

/** How workers reach browsers that are connected to another worker: open_webui/socket/main.py. */
export const websocketGroup: SettingsGroup = {
  keys: ['WEBSOCKET_MANAGER', 'ENABLE_WEBSOCKET_SUPPORT'],
  recommend({ workers }) {
    if (workers === 1) return [];
    return [
      {
        key: 'WEBSOCKET_MANAGER',
        value: 'redis',
        reason: 'events reach a browser whichever worker it is connected to',
      },
      {
        key: 'ENABLE_WEBSOCKET_SUPPORT',
        value: 'True',
        reason: 'polling would always have to reach the same worker',
      },
    ];
  },
};
