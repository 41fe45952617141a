import { describe, expect, it } from 'vitest';
import { faultsOf } from '../../../src/setup/pm2/schema.ts';

describe('faultsOf', () => {
  const app = { name: 'a', script: 's' };

  it.each([
    [{ ...app, instances: 'half' }, 'instances'],
    [{ ...app, min_uptime: 1 }, 'min_uptime'],
    [{ ...app, exec_mode: 'both' }, 'exec_mode'],
    [{ ...app, instnaces: 2 }, 'PM2 has no "instnaces"'],
  ])('finds what is wrong with %j', (wrong, fault) =>
    expect(faultsOf([wrong])).toEqual([expect.stringContaining(fault)]),
  );

  it('knows the aliases and the environments', () =>
    expect(faultsOf([{ ...app, interpreter: 'x', env_production: {} }])).toEqual([]));
});
