import type { CpuFacts } from '../base/machine/facts.ts';
import type { RequestedWorkers } from './input.ts';
import type { Preset } from './preset.ts';
import type { Bounds, LimitedBy } from './types.ts';

export interface WorkerCount {
  /** The most that there may be: all else is planned for it. */
  workers: number;
  /** So many run at least, and as many more as the load asks for; undefined: always all of them. */
  leastWorkers?: number;
  limitedBy: LimitedBy;
  bounds: Bounds;
}

/** The order in which equal bounds are named: first those that the user can change most easily. */
const PRECEDENCE: readonly LimitedBy[] = ['services', 'user', 'memory', 'database', 'cores'];

/**
 * workers = min(cores or the user's request, memory, services). A request replaces the bound of the cores, because more
 * workers than cores do no harm; it does not replace the bound of the memory.
 */
export function countWorkers(
  cpu: CpuFacts,
  preset: Preset,
  { memory, database, services, cpuShare }: OtherBounds,
  requested: RequestedWorkers | undefined,
): WorkerCount {
  const cores = workersForCores(cpu, preset, cpuShare);
  const bounds: Bounds = {
    cores,
    memory,
    database,
    services,
    user: requested?.value ?? preset.workers.max ?? null,
  };
  const binding = requested ? { ...bounds, cores: null } : bounds;
  const counts = PRECEDENCE.flatMap((limitedBy) => {
    const workers = binding[limitedBy];
    return workers === null ? [] : [{ limitedBy, workers }];
  });
  const least = counts.reduce((first, next) => (next.workers < first.workers ? next : first));
  const workers = Math.max(1, least.workers);
  const leastWorkers = requested ? requested.least : preset.workers.min;
  return {
    workers,
    ...(leastWorkers !== undefined && leastWorkers < workers && { leastWorkers }),
    limitedBy: least.limitedBy,
    bounds,
  };
}

/** Workers that the other parts of the plan allow; null: no bound. */
export interface OtherBounds {
  memory: number;
  database: number | null;
  services: number | null;
  /** Share of the cores that services on this machine take. */
  cpuShare: number;
}

/**
 * A quota of 1.5 CPUs is enough for one worker; a second one would wait half of the time. The services' share is rounded:
 * on two cores, two workers beside PostgreSQL and Redis did twice the work of one (measured, 190/s to 93/s).
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
