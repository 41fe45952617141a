import { availableParallelism, loadavg } from 'node:os';

/**
 * By how much longer than on a quiet machine things may take now: the load of the last minute for each core, at least 1
 * (no unit). A limit of seconds is multiplied by it: it holds on a quiet machine, and other work on it breaks no test.
 */
export const crowding = (): number => Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
