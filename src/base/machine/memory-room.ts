import { readCgroupLimits, readOomKills } from './cgroup.ts';
import { readMeminfo } from './meminfo.ts';

/** How much memory there is around a process, in bytes. What is not known is missing. */
export interface MemoryRoom {
  /** The tightest limit, or the memory of the machine. */
  limit?: number;
  /** What is left: on the machine, or in the control group that has the least left. */
  available?: number;
  /** Processes that the kernel has killed for want of it (cgroup.ts, readOomKills). */
  oomKills?: number;
}

export function readMemoryRoom(root: string, pid: number): MemoryRoom {
  const { memory, leftBytes } = readCgroupLimits(root, pid);
  const machine = readMeminfo(root);
  const limits = [memory?.bytes, machine?.totalBytes].filter((one) => one !== undefined);
  const left = [leftBytes, machine?.availableBytes].filter((one) => one !== undefined);
  const oomKills = readOomKills(root, pid);
  return {
    ...(limits.length > 0 && { limit: Math.min(...limits) }),
    ...(left.length > 0 && { available: Math.min(...left) }),
    ...(oomKills !== undefined && { oomKills }),
  };
}
