/** CPU that processes have used. */
import { readFileSync } from 'node:fs';
import { cpuSecondsOf } from './usage.ts';

/** Milliseconds of CPU, user and system, since each was started (proc(5), stat: utime, stime). */
export function cpuMs(processes: readonly { pid: number }[]): number {
  return processes.reduce(
    (sum, { pid }) => sum + cpuSecondsOf(readFileSync(`/proc/${pid}/stat`, 'utf8')) * 1000,
    0,
  );
}
