/** What processes cost, in bytes: Linux's /proc/PID/smaps_rollup (Documentation/filesystems/proc.rst). */
import { readFileSync } from 'node:fs';
import { KIB } from '../units.ts';

/** Bytes. */
export interface Memory {
  /** All of its pages, shared or not: what PM2, ps and top show. */
  rss: number;
  /** Shared pages count by their share: the sum over processes is what they take together. */
  pss: number;
  /** Pages that no other process has: what is freed when this one ends. */
  private: number;
  /** Pages that other processes have too. */
  shared: number;
}

/** Throws where the process is gone, or another user's. */
export function readMemory(pid: number): Memory {
  return parseMemory(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
}

/** Throws where the text is no smaps_rollup; an empty one is of a process that is about to be gone. */
export function parseMemory(text: string): Memory {
  const bytes = (name: string) => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
    if (!match) throw new Error(`smaps_rollup has no ${name}`);
    return Number(match[1]) * KIB;
  };
  return {
    rss: bytes('Rss'),
    pss: bytes('Pss'),
    private: bytes('Private_Clean') + bytes('Private_Dirty'),
    shared: bytes('Shared_Clean') + bytes('Shared_Dirty'),
  };
}

export function sumMemory(processes: { pid: number }[]): Memory {
  const sum: Memory = { rss: 0, pss: 0, private: 0, shared: 0 };
  for (const { pid } of processes) {
    const memory = readMemory(pid);
    sum.rss += memory.rss;
    sum.pss += memory.pss;
    sum.private += memory.private;
    sum.shared += memory.shared;
  }
  return sum;
}
