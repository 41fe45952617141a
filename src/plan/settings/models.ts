import type { SettingsGroup } from './group.ts';

/**
 * The list of models, asked of every provider: open_webui/routers/openai.py and ollama.py (0.12.4). Each worker has a
 * cache of its own, for one second by default: N workers ask N times as often.
 */
export const modelsGroup: SettingsGroup = {
  keys: ['MODELS_CACHE_TTL'],
  recommend: () => [
    {
      key: 'MODELS_CACHE_TTL',
      value: '30',
      reason: 'seconds that each worker keeps the list of models; a new one is seen after that',
    },
  ],
};
