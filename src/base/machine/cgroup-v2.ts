import type { CgroupReader } from './cgroup-reader.ts';
import type { MemoryLimit } from './facts.ts';
import { readKernelFile } from './files.ts';

/** Files of a cgroup v2 folder: kernel documentation, admin-guide/cgroup-v2. */
export const cgroupV2: CgroupReader = {
  /** `memory.max` kills, `memory.high` stalls: a plan that touches either is wrong. */
  memory(root, folder, notes) {
    const limits: MemoryLimit[] = [];
    for (const name of ['memory.max', 'memory.high']) {
      const source = `${folder}/${name}`;
      const text = readKernelFile(root, source);
      if (text === undefined || text === 'max') continue;
      if (!/^\d+$/.test(text)) notes.push(`${source} is not a number of bytes: ignored`);
      else limits.push({ bytes: Number(text), source });
    }
    const [limit] = limits.sort((a, b) => a.bytes - b.bytes);
    const used = usedBytes(root, folder);
    return limit && used !== undefined ? { ...limit, usedBytes: used } : limit;
  },

  /** `cpu.max`: microseconds of CPU time a period, or `max`, and the period. */
  cpu(root, folder, notes) {
    const source = `${folder}/cpu.max`;
    const text = readKernelFile(root, source);
    if (text === undefined || /^max\b/.test(text)) return undefined;
    const match = /^(\d+) (\d+)$/.exec(text);
    const cores = Number(match?.[1]) / Number(match?.[2]);
    if (Number.isFinite(cores) && cores > 0) return { cores, source };
    notes.push(`${source} is not a quota and a period: ignored`);
    return undefined;
  },
};

function usedBytes(root: string, folder: string): number | undefined {
  const current = readKernelFile(root, `${folder}/memory.current`);
  if (current === undefined || !/^\d+$/.test(current)) return undefined;
  const cache = /^inactive_file (\d+)$/m.exec(readKernelFile(root, `${folder}/memory.stat`) ?? '')?.[1];
  return Math.max(0, Number(current) - Number(cache ?? 0));
}
