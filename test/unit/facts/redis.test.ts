import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from '../../../src/facts/services/redis.ts';

describe('parseRedisUrl', () => {
  it.each(['redis://h', 'rediss://:p@h:6380/1', 'unix:///run/redis.sock'])('takes %s', (url) =>
    expect(parseRedisUrl('REDIS_URL', url).href).toContain(url),
  );

  it.each(['127.0.0.1:6379', 'localhost', 'http://h', 'hunter2', 'hunter2:x'])(
    'refuses %s without showing it',
    (url) => {
      const parse = () => parseRedisUrl('REDIS_URL', url);
      expect(parse).toThrow(/REDIS_URL (?:is not a URL|does not begin)/);
      expect(parse).not.toThrow('hunter2');
    },
  );
});
