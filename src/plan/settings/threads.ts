import { MIB } from '../../base/units.ts';
import type { SettingsGroup } from './group.ts';

/** Threads for files, vectors and sign-ins: enough that none waits for another's disk, and no more than memory allows. */
const MOST_THREADS = 200;
const LEAST_THREADS = 40;

/** Bytes of a busy thread: stack and malloc arena (an estimate). */
const THREAD = 2 * MIB;

/**
 * THREAD_POOL_SIZE sizes both of a worker's thread pools (open_webui/main.py, lifespan, 0.12.4): AnyIO's, 40 by default,
 * and asyncio's, min(32, CPUs + 4). The documentation's 2000 needs memory for 2000 threads in each worker.
 */
export const threadsGroup: SettingsGroup = {
  keys: ['THREAD_POOL_SIZE'],
  recommend({ workerLimit }) {
    const threads = Math.min(MOST_THREADS, Math.max(LEAST_THREADS, Math.floor(workerLimit / 2 / THREAD)));
    return [
      {
        key: 'THREAD_POOL_SIZE',
        value: String(threads),
        reason: 'threads of a worker for files, vectors and sign-ins; they may fill half of its memory limit',
      },
    ];
  },
};
