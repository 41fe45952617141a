import type { CgroupReader } from './cgroup-reader.ts';
import { readKernelFile } from './files.ts';

/** "No limit" of v1 is the largest multiple of the page size in 63 bits; nobody has an exbibyte to limit. */
const UNLIMITED_BYTES = 2 ** 60;

/** Files of a cgroup v1 folder: kernel documentation, admin-guide/cgroup-v1/memory and scheduler/sched-bwc. */
export const cgroupV1: CgroupReader = {
  memory(root, folder, notes) {
    const source = `${folder}/memory.limit_in_bytes`;
    const text = readKernelFile(root, source);
    if (text === undefined) return undefined;
    if (!/^\d+$/.test(text)) {
      notes.push(`${source} is not a number of bytes: ignored`);
      return undefined;
    }
    const stat = readKernelFile(root, `${folder}/memory.stat`) ?? '';
    // Also knows the ancestors that a container cannot see.
    const hierarchical = field(stat, 'hierarchical_memory_limit');
    const bytes = Math.min(Number(text), hierarchical ?? Number.POSITIVE_INFINITY);
    if (bytes >= UNLIMITED_BYTES) return undefined;
    const usage = readKernelFile(root, `${folder}/memory.usage_in_bytes`);
    if (usage === undefined || !/^\d+$/.test(usage)) return { bytes, source };
    return {
      bytes,
      usedBytes: Math.max(0, Number(usage) - (field(stat, 'total_inactive_file') ?? 0)),
      source,
    };
  },

  /** A quota of -1 is "no limit". */
  cpu(root, folder, notes) {
    const source = `${folder}/cpu.cfs_quota_us`;
    const quota = readKernelFile(root, source);
    const period = readKernelFile(root, `${folder}/cpu.cfs_period_us`);
    if (quota === undefined || quota === '-1') return undefined;
    const cores = Number(quota) / Number(period);
    if (/^\d+$/.test(quota) && Number.isFinite(cores) && cores > 0) return { cores, source };
    notes.push(`${source} and cpu.cfs_period_us are not a quota and a period: ignored`);
    return undefined;
  },
};

function field(stat: string, name: string): number | undefined {
  const value = new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1];
  return value === undefined ? undefined : Number(value);
}
