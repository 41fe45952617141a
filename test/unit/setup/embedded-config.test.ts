import { describe, expect, it } from 'vitest';
import { maxConnections, postgresConfig, valkeyConfig } from '../../../src/setup/embedded/config.ts';

describe('the configuration', () => {
  it('gives each worker and one more its connections, within bounds', () => {
    expect(maxConnections(1)).toBe(100);
    expect(maxConnections(4)).toBe(170);
    expect(maxConnections(64)).toBe(500);
  });

  it('listens on loopback alone', () => {
    expect(postgresConfig(1, 2, 'linux')).toContain("listen_addresses = '127.0.0.1'");
    expect(valkeyConfig(1, 'pw', '/d')).toMatch(/^bind 127\.0\.0\.1$/m);
  });

  it('uses syncfs where there is one', () => {
    expect(postgresConfig(1, 2, 'linux')).toContain('recovery_init_sync_method = syncfs');
    expect(postgresConfig(1, 2, 'darwin')).not.toContain('syncfs');
  });
});
