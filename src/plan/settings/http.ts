import type { SettingsGroup } from './group.ts';

/**
 * Compression: open_webui/main.py, CompressMiddleware (0.12.4). It takes 3 to 4 % of a worker's CPU. Behind a loopback
 * address there is a proxy, which does it better and off the event loop, or a browser on this machine, which needs none.
 * The page's hashed files stay compressed: they are so ahead of time.
 */
export const httpGroup: SettingsGroup = {
  keys: ['ENABLE_COMPRESSION_MIDDLEWARE'],
  recommend({ isLoopback }) {
    if (!isLoopback) return [];
    return [
      {
        key: 'ENABLE_COMPRESSION_MIDDLEWARE',
        value: 'False',
        reason: 'only a reverse proxy, or a browser on this machine, is in front: let the proxy compress',
      },
    ];
  },
};
