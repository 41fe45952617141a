/** What a process costs: Linux's /proc/PID/smaps_rollup (Documentation/filesystems/proc.rst). */

import { readFileSync } from 'node:fs';

/** MiB. */
export interface Memory {
  /** Pages that are this process's alone: what would be free again without it. */
  private: number;
  /** Pages that other processes have too: of a forked worker, nearly all of Open WebUI's code. */
  shared: number;
  /** All of its pages. */
  resident: number;
  /** All of its pages, those that are shared by their share: the sum over processes is what they take together. */
  proportional: number;
}

const KIB_PER_MIB = 1024;

/** Undefined where the process is gone or the kernel has no such file. */
export function readMemory(pid: number): Memory | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  } catch {
    return undefined;
  }
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
  return {
    private: (kib('Private_Clean') + kib('Private_Dirty')) / KIB_PER_MIB,
    shared: (kib('Shared_Clean') + kib('Shared_Dirty')) / KIB_PER_MIB,
    resident: kib('Rss') / KIB_PER_MIB,
    proportional: kib('Pss') / KIB_PER_MIB,
  };
}
