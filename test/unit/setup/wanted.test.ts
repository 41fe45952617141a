import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/plan/index.ts';
import { hasSqliteData, requireAnswers, wantedServices } from '../../../src/setup/up/wanted.ts';
import { DOWN, inputOf, SERVICES } from '../../kit/inputs.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('the services that are wanted', () => {
  const planOf = (services: Partial<typeof SERVICES>, dataDir = '/none') => {
    const input = inputOf({ services: { ...SERVICES, ...services } });
    return makePlan({ ...input, places: { ...input.places, dataDir } });
  };

  it('are those that nothing is set for', () => {
    expect(wantedServices(planOf({}))).toEqual({ database: false, broker: false });
    expect(wantedServices(planOf({ database: { kind: 'sqlite' } }))).toEqual({
      database: true,
      broker: false,
    });
    expect(wantedServices(planOf({ redis: { kind: 'none' } }))).toEqual({ database: false, broker: true });
  });

  it('leave an SQLite database with data in use', () => {
    const dataDir = temporaryFolder({ 'webui.db': 'SQLite format 3' });
    expect(hasSqliteData(dataDir)).toBe(true);
    const plan = planOf({ database: { kind: 'sqlite' }, redis: { kind: 'none' } }, dataDir);
    expect(wantedServices(plan)).toEqual({ database: false, broker: false });
  });

  it('do not replace one of the user’s that is down', () => {
    const plan = planOf({ database: { kind: 'postgresql', where: 'db:5432/x', answer: DOWN } });
    expect(() => requireAnswers(plan, wantedServices(plan))).toThrow(
      'PostgreSQL at db:5432/x does not answer',
    );
  });
});
