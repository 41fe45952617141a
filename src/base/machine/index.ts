import { EXIT, TuneError } from '../errors.ts';
import { readArchitecture } from './architecture.ts';
import { readCgroupLimits } from './cgroup.ts';
import type { CpuFacts, MachineFacts, MemoryFacts } from './facts.ts';
import { readMeminfo } from './meminfo.ts';
import { readOpenFiles, readSomaxconn } from './process-limits.ts';
import { readMemory } from './process-memory.ts';
import { readSurroundings } from './surroundings.ts';
import { readTopology } from './topology.ts';

/**
 * What this process may use of the machine below `root` (laid out as Linux does: proc/ and sys/). Only where the
 * kernel's files are missing (macOS, Windows) is systeminformation asked: it knows no cgroups, and takes longer. It is
 * never asked about a machine that is not this one: then TuneError is thrown for a missing /proc/meminfo.
 */
export async function readMachine(root = '/', isThisOne = root === '/'): Promise<MachineFacts> {
  const { memory: limit, leftBytes, cpu: quota, notes } = readCgroupLimits(root);
  const topology = readTopology(root);
  const meminfo = readMeminfo(root);
  if (!isThisOne && !meminfo) {
    throw new TuneError(
      `${root} does not hold the /proc and /sys of a machine: there is no proc/meminfo with a MemTotal`,
      EXIT.usage,
    );
  }
  const cpu = topology ?? (isThisOne ? await askForCpu() : ONE_CORE);
  const memory = meminfo ? { ...meminfo, source: '/proc/meminfo' } : await askForMemory();
  if (!topology) {
    notes.push(
      isThisOne
        ? 'no /proc and /sys: CPU facts are those of the whole machine'
        : 'no CPU in /proc/cpuinfo or /sys/devices/system/cpu/online: one core is assumed',
    );
  }
  const openFiles = readOpenFiles(root);
  const somaxconn = readSomaxconn(root);
  return {
    // Only Linux lays its files out so.
    platform: isThisOne ? process.platform : 'linux',
    ...(isThisOne
      ? { architecture: process.arch, architectureSource: 'process.arch' }
      : readArchitecture(root)),
    ...readSurroundings(root),
    ...(openFiles && { openFiles }),
    ...(somaxconn && { somaxconn }),
    cpu: { ...cpu, ...(quota && { quota }) },
    memory: {
      ...memory,
      availableBytes:
        Math.max(0, Math.min(memory.availableBytes, leftBytes ?? Number.POSITIVE_INFINITY)) +
        (isThisOne && meminfo ? ownMemory() : 0),
      ...(limit && { limit }),
    },
    notes,
  };
}

/** Bytes that this process will have given back when what it plans is started. */
function ownMemory(): number {
  try {
    return readMemory(process.pid).private;
  } catch {
    return 0; // a kernel without smaps_rollup (before 4.14)
  }
}

const ONE_CORE = { physicalCores: 1, logicalCpus: 1, machineCpus: 1, source: 'nothing says how many' };

async function askForCpu(): Promise<Omit<CpuFacts, 'quota'>> {
  const { default: systeminformation } = await import('systeminformation');
  const { physicalCores, cores } = await systeminformation.cpu();
  return {
    physicalCores: Math.max(1, physicalCores),
    logicalCpus: Math.max(1, cores),
    machineCpus: Math.max(1, cores),
    source: 'systeminformation',
  };
}

async function askForMemory(): Promise<Omit<MemoryFacts, 'limit'>> {
  const { default: systeminformation } = await import('systeminformation');
  const { total, available, swaptotal } = await systeminformation.mem();
  return { totalBytes: total, availableBytes: available, swapBytes: swaptotal, source: 'systeminformation' };
}
