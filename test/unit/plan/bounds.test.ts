import { describe, expect, it } from 'vitest';
import { GIB } from '../../../src/base/units.ts';
import type { RedisFacts } from '../../../src/facts/types.ts';
import { makePlan } from '../../../src/plan/index.ts';
import { inputOf, machineOf, SERVICES } from '../../kit/inputs.ts';

describe('limits of the kernel and of Redis', () => {
  it.each([
    [
      { machine: { ...machineOf(4, 16 * GIB), openFiles: { value: 1024, source: 'limits' } } },
      'LimitNOFILE=65536',
    ],
    [
      { machine: { ...machineOf(4, 16 * GIB), somaxconn: { value: 128, source: 's' } } },
      'net.core.somaxconn=4096',
    ],
    [
      { services: { ...SERVICES, redis: { ...SERVICES.redis, maxClients: 100 } as RedisFacts } },
      'maxclients',
    ],
  ])('warns of %j', (overrides, text) =>
    expect(makePlan(inputOf(overrides)).warnings.join()).toContain(text),
  );

  it('takes no more workers than Redis has connections for', () => {
    const redis = { ...SERVICES.redis, maxClients: 200 } as RedisFacts;
    expect(makePlan(inputOf({ services: { ...SERVICES, redis } }))).toMatchObject({
      workers: 2,
      limitedBy: 'services',
    });
  });
});
