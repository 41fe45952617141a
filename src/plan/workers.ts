import type { CpuFacts } from '../base/machine/facts.ts';
import type { Wish } from './input.ts';
import type { Bounds, LimitedBy, Preset } from './types.ts';

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
  { memory, database, services, cpuShare }: OtherBounds,
  wish: Wish<number> | undefined,
): WorkerCount {
  const cores = workersForCores(cpu, preset, cpuShare);
  const bounds: Bounds = {
    cores,
    memory,
    database,
    services,
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

/** What the other parts of the plan allow; null: as many as one likes. */
export interface OtherBounds {
  memory: number;
  database: number | null;
  services: number | null;
  /** Share of the cores that services on this machine take. */
  cpuShare: number;
}

/**
 * A quota of 1.5 CPUs feeds one worker: a second one would be stalled for half of the time. The services' share is
 * rounded: on two cores, two workers beside PostgreSQL and Redis did twice the work of one (measured, 190/s to 93/s).
 */
export function workersForCores(
  { physicalCores, quota }: CpuFacts,
  { workers }: Preset,
  cpuShare = 0,
): number {
  const cores = Math.min(physicalCores, quota?.cores ?? Number.POSITIVE_INFINITY);
  const whole = Math.floor(cores * workers.perCore);
  return Math.max(1, Math.round(whole * (1 - cpuShare)));
}
