import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { embeddedPostgres, embeddedValkey, SERVICE_APPS } from '../../../src/facts/embedded/apps.ts';
import { programsIn } from '../../../src/facts/embedded/packages.ts';
import { makePlan } from '../../../src/plan/index.ts';
import { appsOf } from '../../../src/render/apps.ts';
import { renderEcosystem } from '../../../src/render/ecosystem.ts';
import { faultsOf } from '../../../src/setup/pm2/schema.ts';
import { inputOf } from '../../kit/inputs.ts';

const INSTALLED = { postgresPort: 55_432, valkeyPort: 56_379 };

describe('the apps', () => {
  const programs = programsIn('/s/p', 'linux', 'x64');
  const account = { user: 'u', group: 'g' };
  const embedded = [
    embeddedPostgres('/s', programs, { ...INSTALLED, account }),
    embeddedValkey('/s', programs, { ...INSTALLED, account }),
  ];
  const plan = makePlan(inputOf({ embedded }));
  const apps = appsOf(plan);

  it('start before Open WebUI, as PM2 takes them', () => {
    expect(apps.map(({ name }) => name).slice(0, 2)).toEqual(Object.values(SERVICE_APPS));
    expect(apps).toHaveLength(4);
    expect(faultsOf(apps)).toEqual([]);
  });

  it('are stopped as PostgreSQL can bear it', () => {
    expect(apps[0]).toMatchObject({ treekill: false, kill_timeout: 60_000, restart_delay: 500 });
  });

  it('are run by a launcher, which holds their stop back until no worker drains', () => {
    const { script, interpreter, interpreter_args, args } = apps[0] ?? {};
    expect([interpreter, interpreter_args, script]).toEqual([
      plan.places.python,
      ['-E', '-S'],
      `${plan.places.runtime}/preload/hold.py`,
    ]);
    expect((args as (string | number)[]).join(' ')).toBe(
      `--name open-webui-postgres --folder /s --run-folder ${dirname(plan.places.controlSocket)} ` +
        `--seconds ${plan.drainSeconds + 15} --account u -- ${programs.postgres}/postgres -D /s/postgres`,
    );
  });

  it('have their reasons in the file, and no password', () => {
    const text = renderEcosystem(plan);
    expect(text).toContain('last checkpoint panic');
    expect(text).not.toMatch(/password|requirepass/i);
  });

  it('are none where none are used', () => {
    expect(appsOf(makePlan(inputOf({ embedded: [] })))).toHaveLength(2);
  });
});
