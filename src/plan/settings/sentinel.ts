import type { Settings } from '../../facts/types.ts';
import type { Computed, SettingsGroup } from './group.ts';

/**
 * Redis Sentinel for live updates: open_webui/env.py and socket/main.py (0.12.4). socket.io has its own variables for the
 * sentinels; without them it would look up the master's name as a host.
 */
export const sentinelGroup: SettingsGroup = {
  keys: ['WEBSOCKET_SENTINEL_HOSTS', 'WEBSOCKET_SENTINEL_PORT'],
  recommend({ settings, workers }) {
    const get = (name: string) => settings.get(name)?.value;
    const hosts = get('REDIS_SENTINEL_HOSTS');
    if (!hosts || !usesSameRedis(settings) || (workers === 1 && get('WEBSOCKET_MANAGER') !== 'redis'))
      return [];
    const reason = 'live updates fail over too: socket.io reads its own variables';
    const computed: Computed[] = [{ key: 'WEBSOCKET_SENTINEL_HOSTS', value: hosts, reason }];
    const port = get('REDIS_SENTINEL_PORT');
    if (port) computed.push({ key: 'WEBSOCKET_SENTINEL_PORT', value: port, reason });
    return computed;
  },
};

function usesSameRedis(settings: Settings): boolean {
  const websockets = settings.get('WEBSOCKET_REDIS_URL')?.value;
  return websockets === undefined || websockets === settings.get('REDIS_URL')?.value;
}
