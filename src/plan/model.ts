import type { PreloadLevel, Preset } from '../types.ts';
import { MIB } from '../units.ts';

/** What the tree costs at one level of preloading. */
export interface LevelCost {
  /** Bytes, once: the preload process with all that its workers share with it. */
  base: number;
  /** Bytes of private memory of one more worker, after its first requests. */
  worker: number;
  /** Where the two come from. */
  source: string;
}

/**
 * Bytes of private memory of a PM2 cluster worker, the Node process that supervises one Python worker. Measured: 49 MiB
 * RSS, of which all but 9 are shared with the other supervisors; the first one's share is in `base`'s rounding.
 */
export const SUPERVISOR = 9 * MIB;

/** Measured with Open WebUI 0.12.4, Python 3.11, x86-64, as `Pss` and `Private_*` of /proc/PID/smaps_rollup. */
export const LEVELS: Readonly<Record<PreloadLevel, LevelCost>> = {
  full: { base: 778 * MIB, worker: 76 * MIB, source: 'measured: 778 MiB, and 67 private a worker' },
  lean: { base: 361 * MIB, worker: 76 * MIB, source: 'measured: 361 MiB, and 62 to 66 private a worker' },
  libraries: {
    base: 660 * MIB,
    worker: 220 * MIB,
    source: 'measured with local Chroma: 905 MiB with one worker, 216 of them its own',
  },
  none: {
    // Files of libraries that all workers map are in memory once; what is left of 808 MiB.
    base: 188 * MIB,
    worker: 620 * MIB,
    source: 'measured: 620 MiB private a worker of 808 in all',
  },
  uvicorn: {
    // The parent imports the app as well, and serves nobody. 188 + 5 × 620 for four workers; measured: 3,202 MiB.
    base: 808 * MIB,
    worker: 620 * MIB,
    source: 'measured: 620 MiB private a worker, and as much for their parent',
  },
};

/**
 * Share of its own first memory that a worker must be able to grow by; below it, the runtime does not enforce a limit
 * (runtime/worker.ts, LEAST_GROWTH), because a worker's successor would hit it at once.
 */
const LEAST_GROWTH = 0.25;

/** Bytes of the tree without its workers. One worker of uvicorn has no parent: it is the server itself. */
export function baseCost(level: PreloadLevel, workers: number): number {
  return level === 'uvicorn' && workers === 1 ? LEVELS.none.base : LEVELS[level].base;
}

/** Workers that are there for a while beside the others: a reload starts the new one first, uvicorn does not. */
export function surge(level: PreloadLevel): number {
  return level === 'uvicorn' ? 0 : 1;
}

/** Bytes that a worker may grow by. */
export function workerGrowth(level: PreloadLevel, { memory }: Preset): number {
  if (level === 'uvicorn') return memory.growth; // nothing enforces a limit
  return Math.max(memory.growth, Math.ceil(LEVELS[level].worker * LEAST_GROWTH));
}

/** Bytes that one more worker adds, its supervisor included. */
export function workerCost(level: PreloadLevel): number {
  return LEVELS[level].worker + (level === 'uvicorn' ? 0 : SUPERVISOR);
}
