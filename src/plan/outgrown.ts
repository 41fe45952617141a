import { surge } from './model.ts';
import type { LimitedBy, MemoryPlan, Plan } from './types.ts';

/** What an earlier plan made of the memory at hand. Bytes. */
export interface PlannedMemory {
  /** For the whole tree, without what was set aside for services. */
  budget: number;
  predicted: number;
  /** Of private memory, at which a worker is replaced. */
  workerLimit: number;
  limitedBy: LimitedBy;
}

/** Share by which a prediction may be off before it is a reason to plan anew. */
const TOLERANCE = 0.05;

export function plannedMemory({ memory, limitedBy }: Plan): PlannedMemory {
  const { budget, services, predicted, workerLimit } = memory;
  return { budget: budget - services, predicted, workerLimit, limitedBy };
}

/**
 * Whether today's figures make another plan of the same budget: another number of workers, a limit that an ordinary worker
 * would reach, or more than 5 % more or less in all. What is free today is no reason, nor are a few MiB.
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
