import type { Settings } from '../facts/types.ts';
import type { Plan } from '../plan/types.ts';
import type { RuntimeFolder } from '../runtime/folder.ts';
import type { Observed } from './measurements/observed.ts';
import type { Keeping } from './secrets/keep.ts';

export interface Tuned {
  plan: Plan;
  /** What must be written before anything is started; it is no part of the plan, so that nobody prints it. */
  secrets: Keeping;
  /** Must be there before anything is started; undefined: the plan is for another machine. */
  runtime?: RuntimeFolder;
  /** With their values, secrets too: nobody prints them either. */
  settings: Settings;
  /** What the running tree has shown, to be kept beside the measurements; undefined: nothing. */
  observed?: { folder: string; figures: Observed };
  notes: string[];
}
