/** Reads /proc: which processes there are, whose children they are, and what they were started with. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { systemCode } from '../errors.ts';

/** A pid alone can be reused; with the time that its process started it names one process for good. */
export interface ProcessId {
  pid: number;
  startTime: string;
}

export interface ProcessInfo extends ProcessId {
  ppid: number;
  name: string;
}

/** Reads a file below /proc; undefined when the process is gone meanwhile. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** The process, unless there is none or only its exit status is left. */
export function readProcess(pid: number): ProcessInfo | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // proc(5): pid (name) state ppid … starttime is field 22; the name may hold spaces and parentheses.
  const end = stat.lastIndexOf(')');
  const [state, ppid, ...rest] = stat.slice(end + 2).split(' ');
  if (state === 'Z' || state === 'X') return undefined;
  return { pid, ppid: Number(ppid), name: stat.slice(stat.indexOf('(') + 1, end), startTime: rest[17] ?? '' };
}

/** Whether some process has the pid, also one of another user, or one of which only the exit status is left. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

/** Whether the process is stopped, by SIGSTOP or a debugger (proc(5): the states T and t). */
export function isStopped(pid: number): boolean {
  const stat = read(`/proc/${pid}/stat`) ?? '';
  return /^ [Tt] /.test(stat.slice(stat.lastIndexOf(')') + 1));
}

export function isAlive({ pid, startTime }: ProcessId): boolean {
  return readProcess(pid)?.startTime === startTime;
}

export function allProcesses(): ProcessInfo[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => readProcess(Number(pid))).filter((info) => info !== undefined);
}

/** The process and all that descend from it, parents first. */
export function processTree(rootPid: number): ProcessInfo[] {
  const all = allProcesses();
  const tree = all.filter((info) => info.pid === rootPid);
  for (const parent of tree) tree.push(...all.filter((info) => info.ppid === parent.pid));
  return tree;
}

/** All processes that were started with NAME=VALUE; a forked child has its parent's. */
export function processesWithEnvironment(name: string, value: string): ProcessInfo[] {
  const entry = `${name}=${value}`;
  return allProcesses().filter(({ pid }) => environment(pid).includes(entry));
}

export function environment(pid: number): string[] {
  return (read(`/proc/${pid}/environ`) ?? '').split('\0');
}

export function commandLine(pid: number): string[] {
  return (read(`/proc/${pid}/cmdline`) ?? '').split('\0').slice(0, -1);
}

/** The file name of the program, such as node or python3.11; empty when the process is gone. */
export function programOf(pid: number): string {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`));
  } catch {
    return '';
  }
}
