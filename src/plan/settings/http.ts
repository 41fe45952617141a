import type { SettingsGroup } from './group.ts';

/**
 * Compression: open_webui/main.py, CompressMiddleware (0.12.4). It takes 3 to 4 % of a worker's CPU. But nginx, Caddy and
 * Traefik compress nothing unless they are configured to, and the tuner cannot see whether there is one of them. The page's
 * hashed files are compressed in any case, because that is done in advance.
 */
export const httpGroup: SettingsGroup = {
  keys: ['ENABLE_COMPRESSION_MIDDLEWARE'],
  recommend({ compression }) {
    if (compression === 'app') return [];
    return [
      {
        key: 'ENABLE_COMPRESSION_MIDDLEWARE',
        value: 'False',
        reason: 'the preset says that the reverse proxy compresses',
      },
    ];
  },
};
