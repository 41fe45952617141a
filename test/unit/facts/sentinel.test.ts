import { describe, expect, it } from 'vitest';
import { type Ask, findMaster, readSentinelSettings } from '../../../src/facts/services/sentinel.ts';
import { settingsOf } from '../../kit/settings-of.ts';

const HOSTS = { REDIS_SENTINEL_HOSTS: 'a, b ,c', REDIS_SENTINEL_PORT: '26380' };

describe('readSentinelSettings', () => {
  const read = (url: string, settings: Record<string, string> = HOSTS) =>
    readSentinelSettings(settingsOf(settings), url);

  it('is nothing without sentinels', () => expect(read('redis://h:6379/0', {})).toBeUndefined());

  it.each([
    ['redis://:p@MyMaster:6379/2', { master: 'MyMaster', password: 'p', database: 2 }],
    ['redis://u:p:q@main', { master: 'main', username: 'u', password: 'p:q', database: 0 }],
    // Open WebUI decodes nothing here, unlike without Sentinel.
    ['redis://:p%40@main/0', { master: 'main', password: 'p%40' }],
    ['redis://', { master: 'mymaster', database: 0 }],
  ])('%s', (url, expected) =>
    expect(read(url)).toMatchObject({ hosts: ['a', 'b', 'c'], port: 26_380, ...expected }),
  );

  it('takes the usual port', () =>
    expect(read('redis://m', { REDIS_SENTINEL_HOSTS: 'a' })?.port).toBe(26_379));

  it.each([
    ['REDIS_SENTINEL_HOSTS', 'a:26379,b', 'no ports'],
    ['REDIS_SENTINEL_HOSTS', 'redis://:hunter2@a', 'not a list of host names'],
    ['WEBSOCKET_SENTINEL_HOSTS', 'a:1', 'WEBSOCKET_SENTINEL_HOSTS'],
    ['REDIS_SENTINEL_PORT', '26379,26380', 'not a port'],
  ])('refuses %s=%s', (name, value, reason) => {
    const attempt = () => read('redis://m', { ...HOSTS, [name]: value });
    expect(attempt).toThrow(reason);
    expect(attempt).not.toThrow('hunter2');
  });

  it('refuses a socket', () =>
    expect(() => read('unix:///run/redis.sock')).toThrow('does not name a master'));

  it('takes an IPv6 address for what it is', () =>
    expect(read('redis://m', { REDIS_SENTINEL_HOSTS: 'fd00::1,fd00::2' })?.hosts).toEqual([
      'fd00::1',
      'fd00::2',
    ]));
});

describe('findMaster', () => {
  const settings = { hosts: ['a', 'b'], port: 26_379, master: 'm', database: 0 };
  const STATE = {
    ip: '10.0.0.1',
    port: '6379',
    flags: 'master',
    'num-slaves': '1',
    'num-other-sentinels': '2',
    quorum: '2',
    'down-after-milliseconds': '5000',
  };
  const dead = new Error('connect ECONNREFUSED');
  const asking =
    (answers: Record<string, unknown>): Ask =>
    async (host) => {
      const answer = answers[host];
      if (answer instanceof Error) throw answer;
      return answer;
    };

  it.each([
    ['a list', Object.entries(STATE).flat()],
    ['a map', STATE],
  ])('understands %s', async (_, answer) => {
    const found = await findMaster(settings, asking({ a: dead, b: answer }));
    expect(found).toEqual({
      host: '10.0.0.1',
      port: 6379,
      facts: {
        master: 'm',
        sentinels: 3,
        quorum: 2,
        replicas: 1,
        downAfterMs: 5000,
        unreachable: ['a: connect ECONNREFUSED'],
      },
    });
  });

  it('says who does not answer', () =>
    expect(findMaster(settings, asking({ a: dead, b: dead }))).rejects.toThrow(
      'no sentinel knows the master m (a: connect ECONNREFUSED; b: connect ECONNREFUSED)',
    ));

  it('says that the master is taken for dead', () =>
    expect(
      findMaster(settings, asking({ a: { ...STATE, flags: 'master,s_down,o_down' }, b: dead })),
    ).rejects.toThrow('take the master m at 10.0.0.1:6379 for dead'));

  it('explains a password that the sentinels do not have', () =>
    expect(
      findMaster(
        settings,
        asking({ a: new Error('ERR AUTH <password> called without any password configured'), b: dead }),
      ),
    ).rejects.toThrow('requirepass in sentinel.conf'));
});
