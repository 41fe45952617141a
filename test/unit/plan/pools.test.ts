import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GIB } from '../../../src/base/units.ts';
import type { DatabaseFacts, ServiceFacts } from '../../../src/facts/types.ts';
import { makePlan } from '../../../src/plan/index.ts';
import { anyInput, inputOf, machineOf, SERVICES } from '../../kit/inputs.ts';
import { planOrNothing, settingOf } from '../../kit/plans.ts';
import { settingsOf } from '../../kit/settings-of.ts';

describe('the database', () => {
  const database = (maxConnections: number, change: object = {}) =>
    inputOf({
      machine: machineOf(64, 64 * GIB),
      services: {
        ...SERVICES,
        database: { ...SERVICES.database, maxConnections, ...change } as DatabaseFacts,
      },
    });

  it.each([
    // (100 − 3 reserved − 7 of others − 5 spare) ÷ (2 × 4 + 2) = 8, and one of them for reloads.
    [100, {}, 7],
    [100, { otherConnections: 60 }, 2],
    [100, { connectionLimit: 45 }, 3],
    [20, {}, 1],
  ])('%d connections %j: %d workers', (most, change, workers) => {
    const plan = makePlan(database(most, change));
    expect(plan).toMatchObject({ workers, limitedBy: 'database', bounds: { database: workers } });
  });

  it('says so where even one worker may be too many', () =>
    expect(makePlan(database(20)).warnings.join()).toContain('raise max_connections'));

  it('is no bound where it is not asked, or without a number', () => {
    const services: ServiceFacts = { database: { kind: 'unknown' }, redis: { kind: 'unknown' } };
    expect(makePlan(inputOf({ services })).bounds).toMatchObject({ database: null, services: null });
    expect(makePlan(database(100, { maxConnections: undefined })).bounds.database).toBeNull();
  });

  it('counts with pools that the user has set', () => {
    const settings = settingsOf({ DATABASE_POOL_SIZE: '20', DATABASE_POOL_MAX_OVERFLOW: '5' });
    // 485 ÷ (2 × 25 + 2) = 9, and one of them for reloads.
    expect(makePlan({ ...database(500), settings }).bounds.database).toBe(8);
    const none = settingsOf({ DATABASE_POOL_SIZE: '0' });
    const plan = makePlan({ ...database(500), settings: none });
    expect(plan.bounds.database).toBeNull();
    expect(plan.warnings.join()).toContain('a new connection for each use');
  });

  /** Sizes that the user has set, or none. */
  const theirPools = fc
    .record(
      {
        DATABASE_POOL_SIZE: fc.integer({ min: 1, max: 40 }),
        PGVECTOR_POOL_SIZE: fc.integer({ min: 1, max: 40 }),
      },
      { requiredKeys: [] },
    )
    .map((sizes) => Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, `${size}`])));

  it('counts pgvector’s pool where it is on the same server', () => {
    const each = (url: string) => {
      const settings = settingsOf({
        DATABASE_URL: 'postgresql://u@db/webui',
        VECTOR_DB: 'pgvector',
        PGVECTOR_DB_URL: url,
      });
      const { recommendations } = makePlan({ ...database(100), settings });
      return /÷ (\d+) connections a worker/.exec(
        recommendations.find(({ key }) => key === 'bounds.database')?.reason ?? '',
      )?.[1];
    };
    expect(each('postgresql://v@db:5432/vectors')).toBe('10');
    expect(each('postgresql://v@elsewhere/vectors')).toBe('8');
  });

  it('never hands out more connections than there are, for any plan', () => {
    fc.assert(
      fc.property(
        anyInput,
        fc.integer({ min: 30, max: 1000 }),
        theirPools,
        (input, maxConnections, pools) => {
          const settings = new Map([...input.settings, ...settingsOf(pools)]);
          const services: ServiceFacts = {
            ...SERVICES,
            database: { ...SERVICES.database, maxConnections } as DatabaseFacts,
          };
          const plan = planOrNothing({ ...input, settings, services });
          fc.pre(plan !== undefined);
          const number = (key: string) => Number(settingOf(plan, key)?.value ?? 0);
          const engine = number('DATABASE_POOL_SIZE') + number('DATABASE_POOL_MAX_OVERFLOW');
          const needed = (plan.workers + 1) * (2 * engine + number('PGVECTOR_POOL_SIZE'));
          fc.pre(plan.bounds.database !== null && plan.bounds.database > 1);
          expect(needed).toBeLessThanOrEqual(maxConnections - 3 - 7);
        },
      ),
    );
  });
});
