import type { PreloadLevel } from '../types.ts';
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
    // One stock worker has 808 MiB, of which 190 are its own when the libraries are there already.
    base: 618 * MIB,
    worker: 190 * MIB,
    source: 'measured: 190 MiB private a worker of 808 in all',
  },
  none: {
    // Files of libraries that all workers map are in memory once; what is left of 808 MiB.
    base: 188 * MIB,
    worker: 620 * MIB,
    source: 'measured: 620 MiB private a worker of 808 in all',
  },
};

/** Bytes that one more worker adds, its supervisor included. */
export function workerCost(level: PreloadLevel): number {
  return LEVELS[level].worker + SUPERVISOR;
}
