import type { SettingsGroup } from './group.ts';

/**
 * Compression: open_webui/main.py, CompressMiddleware (0.12.4). It takes 3 to 4 % of a worker's CPU; but nginx, Caddy and
 * Traefik compress nothing unless they are told to, and that there is one in front cannot be seen from here.
 * The page's hashed files stay compressed in any case: they are so ahead of time.
 */
export const httpGroup: SettingsGroup = {
  keys: ['ENABLE_COMPRESSION_MIDDLEWARE'],
  recommend({ compression }) {
    if (compression === 'app') return [];
    return [
      {
        key: 'ENABLE_COMPRESSION_MIDDLEWARE',
        value: 'False',
        reason: 'the preset says that the reverse proxy in front compresses',
      },
    ];
  },
};
