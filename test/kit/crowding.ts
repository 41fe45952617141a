import { spawnSync } from 'node:child_process';
import { availableParallelism, loadavg } from 'node:os';
import { summarize } from '../../src/bench/contest/statistics.ts';

/** Times that Node.js is started to see how fast the machine is. */
const STARTS = 5;
/** Milliseconds that such a start takes on the machine that the limits are from, when nothing else runs. */
const QUIET_START_MS = 60;

/**
 * By how much longer than on a quiet machine things may take now (no unit, at least 1): what a start of Node.js takes now
 * beside what it takes there, or the load of the last minute for each core. The first one also tells of a slow machine, and
 * of one whose cores are lent to others. A limit of seconds is multiplied by it.
 */
export function crowding(): number {
  const slowness = summarize(Array.from({ length: STARTS }, startMs)).median / QUIET_START_MS;
  return Math.max(1, slowness, (loadavg()[0] ?? 0) / availableParallelism());
}

function startMs(): number {
  const started = performance.now();
  spawnSync(process.execPath, ['-e', '0']);
  return performance.now() - started;
}
