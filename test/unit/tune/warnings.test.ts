import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SentinelFacts, ServiceFacts } from '../../../src/facts/types.ts';
import { openEnvFile, portInUse, sentinelNotices } from '../../../src/tune/warnings.ts';
import { SERVICES, UP } from '../../kit/inputs.ts';
import { settingsOf } from '../../kit/settings-of.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('notices', () => {
  const root = join(import.meta.dirname, '../../fixtures', 'processes');

  it('says that the port is in use, unless by the cluster itself', () => {
    expect(portInUse(8080, [], root)).toEqual([
      expect.stringContaining('port 8080 is in use by a process of another user'),
    ]);
    expect(portInUse(3000, [], root)).toEqual([]);
  });

  it('says how to close an env file that others can read', () => {
    const path = join(temporaryFolder({ f: '' }), 'f');
    chmodSync(path, 0o640);
    expect(openEnvFile(path)).toEqual([expect.stringContaining(`chmod 600 ${path}`)]);
    chmodSync(path, 0o600);
    expect(openEnvFile(path)).toEqual([]);
  });
});

const HOSTS = { REDIS_SENTINEL_HOSTS: 'a, b ,c', REDIS_SENTINEL_PORT: '26380' };

describe('sentinelNotices', () => {
  const FACTS: SentinelFacts = {
    master: 'm',
    sentinels: 3,
    quorum: 2,
    replicas: 1,
    downAfterMs: 5000,
    unreachable: [],
  };
  const noticesOf = (facts: Partial<SentinelFacts>, settings = {}) => {
    const redis: ServiceFacts['redis'] = {
      kind: 'redis',
      where: 'h:1',
      answer: UP,
      sentinel: { ...FACTS, ...facts },
    };
    return sentinelNotices(redis, settingsOf({ REDIS_URL: 'redis://m', ...HOSTS, ...settings }));
  };

  it('has nothing to say of one that fails over', () => {
    expect(noticesOf({})).toEqual([]);
    expect(sentinelNotices(SERVICES.redis, settingsOf({}))).toEqual([]);
  });

  it.each([
    [{ replicas: 0 }, {}, 'has no replica'],
    [{ sentinels: 2 }, {}, 'Run three'],
    [{ quorum: 3 }, {}, 'Run three'],
    [{ downAfterMs: 30_000 }, {}, 'down-after-milliseconds 5000'],
    [{ unreachable: ['a: connect ECONNREFUSED'] }, {}, 'the sentinel a: connect ECONNREFUSED'],
    [{}, { REDIS_URL: 'rediss://m' }, 'does not use TLS'],
    [{}, { ENABLE_STAR_SESSIONS_MIDDLEWARE: 'True' }, 'ENABLE_STAR_SESSIONS_MIDDLEWARE'],
  ])('%j %j', (facts, settings, word) =>
    expect(noticesOf(facts, settings)).toEqual([expect.stringContaining(word)]),
  );
});
