import { describe, expect, it } from 'vitest';
import { foundLines } from '../../../src/setup/up/found.ts';

describe('services that are found', () => {
  const found = { postgres: '127.0.0.1:5432', redis: 'redis://127.0.0.1:6379/0' };

  it('are named, each with the option that would use it', () => {
    const [postgres, redis] = foundLines(found, false);
    expect(postgres).toContain('DATABASE_URL=postgresql://user:password@127.0.0.1:5432/database');
    expect(redis).toContain('--use-found');
    expect(foundLines(found, true)[1]).toContain('will be used');
    expect(foundLines({}, true)).toEqual([]);
  });
});
