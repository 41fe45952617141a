import type { CpuQuota, MemoryLimit } from './facts.ts';

/** Reads the limits of one group; `undefined` is "no limit", and a note is what cannot be understood. */
export interface CgroupReader {
  memory(root: string, folder: string, notes: string[]): MemoryLimit | undefined;
  cpu(root: string, folder: string, notes: string[]): CpuQuota | undefined;
}
