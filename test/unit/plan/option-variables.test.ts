import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/plan/index.ts';
import { optionsIn, variablesOf } from '../../../src/plan/option-variables.ts';
import { optionsWith, SWITCHES } from '../../../src/plan/options.ts';
import { inputOf } from '../../kit/inputs.ts';

const input = inputOf();

/** What the variables of a plan say. */
const readBack = (overrides: Parameters<typeof inputOf>[0]) =>
  optionsIn(Object.fromEntries(Object.values(variablesOf(makePlan(inputOf(overrides))))));

describe('the variables of options', () => {
  it('are there for each option that has one', () => {
    const plan = makePlan({ ...input, places: { ...input.places, envFile: '/etc/open-webui.env' } });
    expect(Object.keys(variablesOf(plan)).sort()).toEqual(optionsWith('variable').sort());
  });

  it('say what the plan was made with', () =>
    expect(
      readBack({
        host: { value: '0.0.0.0', from: '--host', source: 'flag' },
        port: { value: 3000, from: '--port', source: 'flag' },
        preload: 'lean',
        documentsAtOnce: 3,
        places: { ...input.places, envFile: '/etc/open-webui.env' },
      }),
    ).toEqual({
      host: '0.0.0.0',
      port: 3000,
      preload: 'lean',
      documentsAtOnce: 3,
      envFile: '/etc/open-webui.env',
    }));

  it.each(SWITCHES)('lack %s where a flag or the preset says so', (name) => {
    for (const off of [{ [name]: false }, { preset: { ...input.preset, [name]: false } }]) {
      expect(variablesOf(makePlan(inputOf(off)))).not.toHaveProperty(name);
      expect(readBack(off)).toMatchObject({ [name]: false });
    }
  });

  it('are left out where they cannot be read', () =>
    expect(optionsIn({ WEBUI_TUNE_PORT: 'x', WEBUI_TUNE_PRELOAD: 'some' })).not.toHaveProperty('port'));
});
