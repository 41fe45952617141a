import { choosesPgvector } from '../services.ts';
import type { SettingsGroup } from './group.ts';

/** Where document vectors are kept: open_webui/config.py, "Vector Database". */
export const vectorGroup: SettingsGroup = {
  keys: ['VECTOR_DB'],
  recommend(context) {
    if (!choosesPgvector(context)) return [];
    return [
      {
        key: 'VECTOR_DB',
        value: 'pgvector',
        reason: 'the PostgreSQL in use has the extension, and all workers can share it',
      },
    ];
  },
};
