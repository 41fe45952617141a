import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../../src/base/units.ts';
import { embeddedPostgres } from '../../../src/facts/embedded/apps.ts';
import { withConnections } from '../../../src/facts/embedded/memory.ts';
import { programsIn } from '../../../src/facts/embedded/packages.ts';
import { makePlan } from '../../../src/plan/index.ts';
import { inputOf, machineOf, SERVICES } from '../../kit/inputs.ts';

const INSTALLED = { postgresPort: 55_432, valkeyPort: 56_379 };

describe('the memory', () => {
  const postgres = {
    name: 'PostgreSQL',
    where: 'x',
    bytes: 16 * MIB,
    reason: 'buffers',
    cpuShare: 0.06,
  } as const;
  const facts = { ...SERVICES, colocated: [postgres] };
  const embedded = [embeddedPostgres('/s', programsIn('/s/p', 'linux', 'x64'), INSTALLED)];

  it('of the connections is counted where PostgreSQL is embedded', () => {
    expect(withConnections(facts, embedded, 4).colocated?.[0]?.bytes).toBe((16 + 4 * 25 + 10) * MIB);
    expect(withConnections(facts, [], 4)).toBe(facts);
  });

  it('leaves fewer workers where it is scarce', () => {
    const small = machineOf(16, 2 * GIB);
    const workers = (services: typeof facts) => makePlan(inputOf({ machine: small, services })).workers;
    expect(workers(withConnections(facts, embedded, 16) as typeof facts)).toBeLessThan(workers(facts));
  });
});
