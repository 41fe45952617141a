import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/plan/index.ts';
import { inputOf } from '../../kit/inputs.ts';
import { settingsOf } from '../../kit/settings-of.ts';

const HOSTS = { REDIS_SENTINEL_HOSTS: 'a, b ,c', REDIS_SENTINEL_PORT: '26380' };

describe('a plan with Sentinel', () => {
  const planned = (settings: Record<string, string>, workers = 4) => {
    const plan = makePlan(
      inputOf({ settings: settingsOf(settings), workers: { value: workers, from: 'test', source: 'flag' } }),
    );
    return Object.fromEntries(plan.settings.map(({ key, value }) => [key, value]));
  };
  const REDIS = { ...HOSTS, REDIS_URL: 'redis://m:6379/0' };

  it('tells socket.io of the sentinels', () =>
    expect(planned(REDIS)).toMatchObject({
      WEBSOCKET_SENTINEL_HOSTS: HOSTS.REDIS_SENTINEL_HOSTS,
      WEBSOCKET_SENTINEL_PORT: '26380',
    }));

  it('leaves a Redis of its own for socket.io alone', () =>
    expect(planned({ ...REDIS, WEBSOCKET_REDIS_URL: 'redis://other:6379/0' })).not.toHaveProperty(
      'WEBSOCKET_SENTINEL_HOSTS',
    ));

  it('sets nothing for one worker that needs no Redis', () =>
    expect(planned(REDIS, 1)).not.toHaveProperty('WEBSOCKET_SENTINEL_HOSTS'));
});
