import { TuneError } from '../../src/base/errors.ts';
import { makePlan } from '../../src/plan/index.ts';
import type { PlanInput } from '../../src/plan/input.ts';
import type { Plan } from '../../src/plan/types.ts';
import { settingsOf } from './settings-of.ts';

/** The plan, or undefined where the machine is too small for one. */
export function planOrNothing(input: PlanInput): Plan | undefined {
  try {
    return makePlan(input);
  } catch (error) {
    if (error instanceof TuneError) return undefined;
    throw error;
  }
}

export const settingOf = (plan: Plan, key: string) => plan.settings.find((setting) => setting.key === key);

/** Documents are embedded elsewhere. */
export const REMOTE = settingsOf({ RAG_EMBEDDING_ENGINE: 'openai' });
