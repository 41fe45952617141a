import type { Settings } from '../facts/types.ts';
import type { Plan } from '../plan/types.ts';
import type { RuntimeFolder } from '../runtime/folder.ts';
import type { Observed } from './measurements/observed.ts';
import type { Keeping } from './secrets/keep.ts';

export interface Tuned {
  plan: Plan;
  /** Must be written before anything starts. It is not a part of the plan, so that nobody prints it. */
  secrets: Keeping;
  /** Must exist before anything starts; undefined: the plan is for another machine. */
  runtime?: RuntimeFolder;
  /** With the values of secrets: never print them. */
  settings: Settings;
  /** Figures of the running tree, to be saved beside the measurements; undefined: none. */
  observed?: { folder: string; figures: Observed };
  notes: string[];
}
