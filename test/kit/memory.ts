import { readFileSync } from 'node:fs';

export interface Memory {
  rss: number;
  /** Shared pages count by their share: the sum over processes is what they take together. */
  pss: number;
  /** Pages that no other process has: what is freed when this one ends. */
  private: number;
}

const KIB = 1024;
export const MIB = 1024 * KIB;

export function readMemory(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const bytes = (name: string) => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
    if (!match) throw new Error(`/proc/${pid}/smaps_rollup has no ${name}`);
    return Number(match[1]) * KIB;
  };
  return { rss: bytes('Rss'), pss: bytes('Pss'), private: bytes('Private_Clean') + bytes('Private_Dirty') };
}

export function sumMemory(processes: { pid: number }[]): Memory {
  const sum: Memory = { rss: 0, pss: 0, private: 0 };
  for (const { pid } of processes) {
    const memory = readMemory(pid);
    sum.rss += memory.rss;
    sum.pss += memory.pss;
    sum.private += memory.private;
  }
  return sum;
}
