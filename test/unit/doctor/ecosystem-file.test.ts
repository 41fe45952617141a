import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addPlanOptions } from '../../../src/commands/option-flags.ts';
import { optionsOf } from '../../../src/doctor/read/ecosystem.ts';
import { makePlan } from '../../../src/plan/index.ts';
import { appsOf } from '../../../src/render/apps.ts';
import { APPS } from '../../../src/runtime/contract.ts';
import { inputOf } from '../../kit/inputs.ts';

/** What the doctor makes of a file of that plan, and of its own command line. */
function optionsFrom(overrides: Parameters<typeof inputOf>[0], ...words: string[]) {
  const apps = appsOf(makePlan(inputOf(overrides)));
  const named = (name: string) => apps.find((app) => app.name === name);
  const [preload, cluster] = [named(APPS.preload), named(APPS.cluster)];
  if (!preload || !cluster) throw new Error('an app is missing');
  const env = preload.env as Record<string, string>;
  const range = overrides?.workers?.least === undefined ? {} : { leastWorkers: overrides.workers.least };
  const file = { path: '/e.js', apps, preload, cluster, workers: 4, ...range, env, faults: [], missing: [] };
  const given = addPlanOptions(new Command()).parse(words, { from: 'user' }).opts();
  return optionsOf(file, given, {});
}

describe('the options that a file was made with', () => {
  it('are those of the plan', () =>
    expect(optionsFrom({ shortcuts: false, preload: 'lean', metricsPort: 9464 })).toMatchObject({
      host: '0.0.0.0',
      port: 8080,
      python: '/venv/bin/python',
      workers: 4,
      preload: 'lean',
      shortcuts: false,
      metrics: 9464,
    }));

  it('have a range as it was given', () =>
    expect(
      optionsFrom({ workers: { value: 4, least: 2, from: '--workers 2..4', source: 'flag' } }),
    ).toMatchObject({ workers: '2..4' }));

  it('give way to what is said on the command line', () =>
    expect(optionsFrom({ preload: 'lean' }, '--preload', 'auto', '--no-static-cache')).toMatchObject({
      preload: 'auto',
      staticCache: false,
    }));
});
