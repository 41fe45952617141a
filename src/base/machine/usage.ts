import { readKernelFile } from './files.ts';
import { type Memory, parseMemory } from './process-memory.ts';

/** Clock ticks a second of the times in /proc (proc(5), USER_HZ): 100 on every Linux that Node runs on. */
export const CLOCK_TICKS = 100;

export interface ProcessUsage {
  pid: number;
  ppid: number;
  /** Milliseconds since 1970. */
  startedAt: number;
  /** Seconds that it has run on a CPU since then. */
  cpuSeconds: number;
  /** Undefined where we may not look: another user's. */
  memory?: Memory;
}

/** What a process uses; undefined where there is none. The kernel takes some 5 ms for the memory of a worker. */
export function readUsage(root: string, pid: number): ProcessUsage | undefined {
  const times = readTimes(root, pid);
  if (!times) return undefined;
  const memory = memoryOf(root, pid);
  return { ...times, ...(memory && { memory }) };
}

function memoryOf(root: string, pid: number): Memory | undefined {
  try {
    return parseMemory(readKernelFile(root, `proc/${pid}/smaps_rollup`) ?? '');
  } catch {
    return undefined;
  }
}

/** The same without its memory. */
export function readTimes(root: string, pid: number): Omit<ProcessUsage, 'memory'> | undefined {
  const stat = readKernelFile(root, `proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = fieldsOf(stat);
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  const [ppid, start] = [1, 19].map((index) => Number(fields[index] ?? 0));
  const boot = Number(/^btime (\d+)$/m.exec(readKernelFile(root, 'proc/stat') ?? '')?.[1] ?? 0);
  return {
    pid,
    ppid: ppid ?? 0,
    startedAt: (boot + (start ?? 0) / CLOCK_TICKS) * 1000,
    cpuSeconds: cpuSecondsOf(stat),
  };
}

/** Seconds, user and system, for which the process or thread of a `stat` has run on a CPU. */
export function cpuSecondsOf(stat: string): number {
  const [utime = 0, stime = 0] = fieldsOf(stat).slice(11, 13).map(Number);
  return (utime + stime) / CLOCK_TICKS;
}

/** proc_pid_stat(5): counted after the name, which may hold anything, the first of these is field 3. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
