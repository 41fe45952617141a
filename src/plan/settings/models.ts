import type { SettingsGroup } from './group.ts';

/**
 * Every provider's list of models: open_webui/routers/openai.py and ollama.py (0.12.4). Each worker has its own cache, for
 * one second by default, so N workers ask N times as often.
 */
export const modelsGroup: SettingsGroup = {
  keys: ['MODELS_CACHE_TTL'],
  recommend: () => [
    {
      key: 'MODELS_CACHE_TTL',
      value: '30',
      reason: 'seconds that each worker keeps the list of models; a new model appears after that',
    },
  ],
};
