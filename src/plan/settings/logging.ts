import type { SettingsGroup } from './group.ts';

/** open_webui/env.py, GLOBAL_LOG_LEVEL (0.12.4); the default is INFO, with several lines for each request. */
export const loggingGroup: SettingsGroup = {
  keys: ['GLOBAL_LOG_LEVEL'],
  recommend: () => [
    {
      key: 'GLOBAL_LOG_LEVEL',
      value: 'WARNING',
      reason: 'each log line blocks the event loop; set INFO in the env file for more',
    },
  ],
};
