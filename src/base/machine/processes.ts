import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { statOrUndefined } from '../io/stat.ts';
import { KIB } from '../units.ts';
import { readKernelFile } from './files.ts';

export interface Process {
  pid: number;
  /** The words of its command line; empty for kernel threads. */
  command: string[];
}

/** Processes below `root`/proc that run with `text` in their environment, as far as we may look. */
export function processesWith(root: string, text: string): Process[] {
  const needle = Buffer.from(text);
  return processIds(root).flatMap((pid) => {
    try {
      const environment = readFileSync(join(root, `proc/${pid}/environ`));
      return environment.includes(needle) ? [readProcess(root, pid)] : [];
    } catch {
      return []; // another user's, or gone
    }
  });
}

/**
 * Processes below `root`/proc that work in `folder` or below it, also where it is gone by now, as far as we may look. It
 * finds those that write their title over their environment (proc_pid_environ(5)), as redis-server does.
 */
export function processesIn(root: string, folder: string): Process[] {
  return processIds(root).flatMap((pid) =>
    `${readLink(join(root, `proc/${pid}/cwd`))}/`.startsWith(`${folder}/`) ? [readProcess(root, pid)] : [],
  );
}

/** Process ids of the children that the main thread of a process has forked (proc_pid_children(5)). */
export function childrenOf(root: string, pid: number): number[] {
  const children = readKernelFile(root, `proc/${pid}/task/${pid}/children`) ?? '';
  return children.split(' ').filter(Boolean).map(Number);
}

/** Bytes that processes use, shared pages divided among those that share them (`Pss`, proc_pid_smaps(5)). */
export function memoryOf(root: string, processes: readonly Process[]): number {
  return processes.reduce((sum, { pid }) => {
    const rollup = readKernelFile(root, `proc/${pid}/smaps_rollup`) ?? '';
    return sum + Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * KIB;
  }, 0);
}

/** Processes that have one of these sockets open, by inode, as far as we may look. */
export function ownersOf(root: string, inodes: ReadonlySet<string>): Process[] {
  if (inodes.size === 0) return [];
  return processIds(root).flatMap((pid) => {
    const folder = join(root, `proc/${pid}/fd`);
    try {
      const open = readdirSync(folder).some((fd) => {
        const inode = /^socket:\[(\d+)\]$/.exec(readLink(join(folder, fd)))?.[1];
        return inode !== undefined && inodes.has(inode);
      });
      return open ? [readProcess(root, pid)] : [];
    } catch {
      return [];
    }
  });
}

/**
 * Processes that have one of these files open, under whatever path (a container has its own), as far as we may look; and
 * those that hold a lock on one, which the kernel tells of everybody's processes.
 */
export function holdersOf(root: string, paths: readonly string[]): Process[] {
  const files = new Set(paths.flatMap((path) => identityOf(path) ?? []));
  if (files.size === 0) return [];
  const locks = (readKernelFile(root, 'proc/locks') ?? '').matchAll(LOCK);
  const inodes = new Set([...files].map((file) => file.split(':')[1]));
  const lockers = new Set([...locks].flatMap(([, pid, inode]) => (inodes.has(inode) ? [Number(pid)] : [])));
  return processIds(root).flatMap((pid) => {
    const folder = join(root, `proc/${pid}/fd`);
    try {
      const isOpen = readdirSync(folder).some((fd) => files.has(identityOf(join(folder, fd)) ?? ''));
      return isOpen ? [readProcess(root, pid)] : [];
    } catch {
      // Another user's, or gone.
      return lockers.has(pid) ? [readProcess(root, pid)] : [];
    }
  });
}

/** A line of /proc/locks (proc_locks(5)): the pid, then the file as major:minor:inode. */
const LOCK = /^\d+: \S+ +\S+ +\S+ +(\d+) [0-9a-f]+:[0-9a-f]+:(\d+) /gm;

/** What tells a file from every other one, links followed. */
function identityOf(path: string): string | undefined {
  const stats = statOrUndefined(path);
  return stats && `${stats.dev}:${stats.ino}`;
}

function readProcess(root: string, pid: number): Process {
  return { pid, command: (readKernelFile(root, `proc/${pid}/cmdline`) ?? '').split('\0').filter(Boolean) };
}

function processIds(root: string): number[] {
  try {
    return readdirSync(join(root, 'proc'))
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
