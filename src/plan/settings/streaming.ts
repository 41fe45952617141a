import type { SettingsGroup } from './group.ts';

/** Tokens of an answer that are sent together: open_webui/env.py, CHAT_RESPONSE_STREAM_DELTA_CHUNK_SIZE (0.12.4). */
export const streamingGroup: SettingsGroup = {
  keys: ['CHAT_RESPONSE_STREAM_DELTA_CHUNK_SIZE'],
  recommend({ workers }) {
    if (workers === 1) return [];
    return [
      {
        key: 'CHAT_RESPONSE_STREAM_DELTA_CHUNK_SIZE',
        // The documentation's range is 5 to 10; at 5 a reader still sees words appear, not lines.
        value: '5',
        reason: 'tokens in each event, which passes through Redis and wakes every worker',
      },
    ];
  },
};
