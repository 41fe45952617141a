import type { Bounds, CpuFacts, LimitedBy, Preset } from '../types.ts';
import type { Wish } from './input.ts';

export interface WorkerCount {
  workers: number;
  limitedBy: LimitedBy;
  bounds: Bounds;
}

/** Which bound is named when several are equal: the one that the user can do most about. */
const PRECEDENCE: readonly LimitedBy[] = ['services', 'user', 'memory', 'database', 'cores'];

/**
 * workers = min(cores or the user's wish, memory, services). A wish takes the place of the cores, because more workers
 * than cores harm nobody; it does not take the place of memory.
 */
export function countWorkers(
  cpu: CpuFacts,
  preset: Preset,
  fitting: number,
  isSeveralPossible: boolean,
  wish: Wish<number> | undefined,
): WorkerCount {
  const cores = workersForCores(cpu, preset);
  const bounds: Bounds = {
    cores,
    memory: fitting,
    database: null,
    services: isSeveralPossible ? null : 1,
    user: wish?.value ?? preset.workers.max ?? null,
  };
  const binding = wish ? { ...bounds, cores: null } : bounds;
  const counts = PRECEDENCE.flatMap((limitedBy) => {
    const workers = binding[limitedBy];
    return workers === null ? [] : [{ limitedBy, workers }];
  });
  const least = counts.reduce((first, next) => (next.workers < first.workers ? next : first));
  return { workers: Math.max(1, least.workers), limitedBy: least.limitedBy, bounds };
}

/** A quota of 1.5 CPUs feeds one worker: a second one would be stalled for half of the time. */
export function workersForCores({ physicalCores, quota }: CpuFacts, { workers }: Preset): number {
  const cores = Math.min(physicalCores, quota?.cores ?? Number.POSITIVE_INFINITY);
  return Math.max(1, Math.floor(cores * workers.perCore));
}
