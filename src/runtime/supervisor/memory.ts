/** Memory of a process in MiB, the unit of limits and of what people are shown. */

import * as kernel from '../../base/machine/process-memory.ts';
import { MIB } from '../../base/units.ts';

/** MiB. */
export interface Memory {
  /** Pages that no other process has: what would be free again without it. */
  private: number;
  /** Pages that other processes have too: in a forked worker, nearly all of Open WebUI's code. */
  shared: number;
  /** All of its pages. */
  resident: number;
  /** All of its pages, shared ones divided among their users: the sum over all processes is what they take together. */
  proportional: number;
}

/** Undefined where the process is gone or the kernel does not say. */
export function readMemory(pid: number): Memory | undefined {
  try {
    const { private: own, shared, rss, pss } = kernel.readMemory(pid);
    return { private: own / MIB, shared: shared / MIB, resident: rss / MIB, proportional: pss / MIB };
  } catch {
    return undefined;
  }
}
