import type { SettingsGroup } from './group.ts';

/** open_webui/env.py, GLOBAL_LOG_LEVEL (0.12.4); the default is INFO, some lines a request. */
export const loggingGroup: SettingsGroup = {
  keys: ['GLOBAL_LOG_LEVEL'],
  recommend: () => [
    {
      key: 'GLOBAL_LOG_LEVEL',
      value: 'WARNING',
      reason: 'lines are written from the event loop; INFO in the env file brings them back',
    },
  ],
};
