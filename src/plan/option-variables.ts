import type { Environment } from '../base/io/environment.ts';
import { type OptionsWith, optionsWith, type PlanOptions, ROWS, readOption } from './options.ts';
import type { Plan } from './types.ts';

type Variable = readonly [name: string, value: string];

/** By option, the variable of the preload process that carries it. */
export function variablesOf(plan: Plan): Partial<Record<OptionsWith<'variable'>, Variable>> {
  const values: Readonly<Record<string, unknown>> = { ...plan };
  return Object.fromEntries(
    optionsWith('variable').flatMap((option) => {
      const { variable = '', write = plainValue } = ROWS[option];
      const value = write(values[option], plan.places);
      return value === undefined ? [] : [[option, [variable, value]]];
    }),
  );
}

/** A switch that is off has no variable. */
function plainValue(value: unknown): string | undefined {
  return value === false || value === undefined ? undefined : String(value);
}

/** The options in an environment that variablesOf has written. Leaves out what cannot be read. */
export function optionsIn(env: Environment): PlanOptions {
  const options: Record<string, unknown> = {};
  for (const option of optionsWith('variable')) {
    const { variable = '', reason } = ROWS[option];
    const text = env[variable];
    if (reason) {
      // A switch that is on may come from the preset, so only "off" counts.
      if (text === undefined) options[option] = false;
      continue;
    }
    const value = text === undefined ? undefined : readOption(option, text);
    if (value !== undefined) options[option] = value;
  }
  return options;
}
