import type * as z from 'zod';
import type { PlanSchema } from './schema.ts';

/* The types of a plan, inferred from its schema, which documents each key. */

export type Plan = z.infer<typeof PlanSchema>;

/** Workers that each bound allows; null: no bound. */
export type Bounds = Plan['bounds'];

/** The bound that limits the number of workers; `user` is a flag, a variable or the chosen preset. */
export type LimitedBy = Plan['limitedBy'];

export type MemoryPlan = Plan['memory'];

/** How documents are processed beside the workers. */
export type DocumentsPlan = Plan['documents'];

export type PreloadLevel = MemoryPlan['level'];

/** One decision, with its cause. */
export type Recommendation = Plan['recommendations'][number];

/** A setting of Open WebUI as the preload process will see it. */
export type PlannedSetting = Plan['settings'][number];
