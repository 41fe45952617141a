import * as z from 'zod';
import { bytesForTree } from './memory.ts';
import { surge } from './model.ts';
import { LIMITS } from './schema.ts';
import type { MemoryPlan, Plan } from './types.ts';

/** The memory figures of an earlier plan, in bytes. */
export const PlannedMemorySchema = z.object({
  /** For the whole tree, without the part that was set aside for services. */
  budget: z.number(),
  predicted: z.number(),
  /** Private memory at which a worker is replaced. */
  workerLimit: z.number(),
  limitedBy: z.enum(LIMITS),
});
export type PlannedMemory = z.infer<typeof PlannedMemorySchema>;

/** Share by which a prediction may be off before it is a reason to plan again. */
const TOLERANCE = 0.05;

export function plannedMemory({ memory, limitedBy }: Plan): PlannedMemory {
  const { predicted, workerLimit } = memory;
  return { budget: bytesForTree(memory), predicted, workerLimit, limitedBy };
}

/**
 * Whether today's figures change the plan for the same budget: another number of workers, a limit that an ordinary worker
 * would reach, or a total that differs by more than 5 %. Neither today's free memory nor a few MiB are a reason.
 */
export function isOutgrown(before: PlannedMemory, workers: number, memory: MemoryPlan): boolean {
  const { base, worker, supervisor, growth, level } = memory;
  const predicted = base + workers * worker;
  if (Math.abs(predicted / before.predicted - 1) > TOLERANCE) return true;
  if (level !== 'uvicorn' && worker - supervisor + growth > before.workerLimit) return true;
  const needed = (count: number) => base + (count + surge(level)) * (worker + growth);
  if (workers > 1 && needed(workers) > before.budget) return true;
  return before.limitedBy === 'memory' && needed(workers + 1) <= before.budget;
}
