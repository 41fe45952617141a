/** CPU that processes have used. */
import { readFileSync } from 'node:fs';
import { CLOCK_TICKS } from './usage.ts';

/** Milliseconds of CPU, user and system, since each was started (proc(5), stat: utime, stime). */
export function cpuMs(processes: readonly { pid: number }[]): number {
  return processes.reduce((sum, { pid }) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return sum + ((Number(fields[11]) + Number(fields[12])) * 1000) / CLOCK_TICKS;
  }, 0);
}
