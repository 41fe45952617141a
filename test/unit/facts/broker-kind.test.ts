/**
 * Redis and Valkey answer for themselves in the end-to-end tests. Dragonfly and KeyDB come in no package: these are
 * answers that others have recorded (Snapchat/KeyDB#981 and #326; the documentation of KeyDB's INFO; Dragonfly 1.40.1).
 */
import { describe, expect, it } from 'vitest';
import { brokerOf, parseInfo } from '../../../src/facts/services/broker-kind.ts';

const REDIS =
  '# Server\r\nredis_version:8.10.1\r\nredis_mode:standalone\r\nexecutable:/data/redis-server\r\n';
const VALKEY =
  '# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.10\r\nvalkey_release_stage:ga\r\nserver_mode:standalone\r\n';
const DRAGONFLY =
  '# Server\r\nredis_version:7.4.0\r\ndragonfly_version:df-v1.40.1\r\nredis_mode:standalone\r\narch_bits:64\r\nthread_count:1\r\n';
const KEYDB =
  '# Server\r\nredis_version:6.3.4\r\nredis_git_sha1:7e7e5e57\r\nredis_mode:standalone\r\nexecutable:/data/keydb-server\r\n';
const KEYDB_RENAMED =
  '# Server\r\nredis_version:6.3.4\r\nexecutable:/srv/broker\r\n# CPU\r\nserver_threads:2\r\nlong_lock_waits:0\r\n# KeyDB\r\nmvcc_depth:0\r\n';
const OLD_REDIS_CLUSTER =
  '# Server\r\nredis_version:6.0.16\r\nredis_mode:cluster\r\n# Cluster\r\ncluster_enabled:1\r\n';
const VALKEY_CLUSTER = VALKEY.replace('standalone', 'cluster');

describe('a broker', () => {
  it.each([
    ['Redis', '8.10.1', REDIS],
    ['Valkey', '8.1.10', VALKEY],
    ['Dragonfly', '1.40.1', DRAGONFLY],
    ['KeyDB', '6.3.4', KEYDB],
    ['KeyDB', '6.3.4', KEYDB_RENAMED],
  ])('is %s %s by its own word', (name, version, text) =>
    expect(brokerOf(parseInfo(text))).toEqual({ name, version, isCluster: false }),
  );

  it('is a node of a cluster', () => {
    expect(brokerOf(parseInfo(OLD_REDIS_CLUSTER))).toEqual({
      name: 'Redis',
      version: '6.0.16',
      isCluster: true,
    });
    expect(brokerOf(parseInfo(VALKEY_CLUSTER))?.isCluster).toBe(true);
  });

  it('does not say', () => expect(brokerOf(parseInfo(''))).toBeUndefined());
});
