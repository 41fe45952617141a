import { KIB } from '../units.ts';
import { readKernelFile } from './files.ts';

export interface Meminfo {
  totalBytes: number;
  availableBytes: number;
  swapBytes: number;
  swapFreeBytes: number;
}

/** /proc/meminfo (proc_meminfo(5)); undefined where it is missing or has no total. */
export function readMeminfo(root: string): Meminfo | undefined {
  const text = readKernelFile(root, 'proc/meminfo');
  if (text === undefined) return undefined;
  const bytes = (key: string) => {
    const value = new RegExp(`^${key}:\\s*(\\d+) kB$`, 'm').exec(text)?.[1];
    return value === undefined ? undefined : Number(value) * KIB;
  };
  const total = bytes('MemTotal');
  if (!total) return undefined;
  // MemAvailable came with kernel 3.14; before, this sum is what free(1) used.
  const available =
    bytes('MemAvailable') ?? (bytes('MemFree') ?? 0) + (bytes('Buffers') ?? 0) + (bytes('Cached') ?? 0);
  return {
    totalBytes: total,
    availableBytes: Math.min(available, total),
    swapBytes: bytes('SwapTotal') ?? 0,
    swapFreeBytes: bytes('SwapFree') ?? 0,
  };
}
