import { EXIT, TuneError } from '../base/errors.ts';
import { plural } from '../base/units.ts';
import type { Plan } from '../plan/types.ts';
import { presetNames } from './presets.ts';

/**
 * Returns what `plan` returns. If not even one worker fits, adds to its TuneError the presets of the package with which one
 * would fit; `planWith` plans with the preset of the given name.
 */
export function orNameFitting<T>(plan: () => T, planWith: (preset: string) => { plan: Plan }): T {
  try {
    return plan();
  } catch (error) {
    if (!(error instanceof TuneError) || error.exitCode !== EXIT.machine) throw error;
    throw new TuneError(error.message, error.exitCode, [...error.mend, ...fitting(planWith)]);
  }
}

function fitting(planWith: (preset: string) => { plan: Plan }): string[] {
  const found = presetNames().flatMap((name) => {
    try {
      return [`webui-tune --preset ${name}: ${plural(planWith(name).plan.workers, 'worker')} would fit`];
    } catch {
      return [];
    }
  });
  return found.length > 0 ? found : ['none of the presets would fit either'];
}
