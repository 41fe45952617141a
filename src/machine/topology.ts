import type { CpuFacts } from '../types.ts';
import { parseCpuList } from './cpulist.ts';
import { readKernelFile } from './files.ts';

const SYSFS = 'sys/devices/system/cpu';

/**
 * Cores of a Linux machine, those only that this process may run on (affinity and cpusets: `Cpus_allowed_list` in
 * proc_pid_status(5) is already what is left of both). Undefined where `root` has neither sysfs nor procfs.
 */
export function readTopology(root: string): Omit<CpuFacts, 'quota'> | undefined {
  const cpuinfo = parseCpuinfo(readKernelFile(root, 'proc/cpuinfo') ?? '');
  const online = cpuList(root, `${SYSFS}/online`) ?? cpuinfo.map(({ cpu }) => cpu);
  if (online.length === 0) return undefined;
  const allowed = allowedCpus(root);
  const usable = online.filter((cpu) => allowed?.has(cpu) ?? true);
  // A list that names none of the machine's CPUs tells nothing (lxcfs numbers them anew).
  const cpus = usable.length > 0 ? usable : online;
  const cores = coresFromSysfs(root, cpus) ?? coresFromCpuinfo(cpuinfo, cpus);
  return {
    physicalCores: cores?.count ?? cpus.length,
    logicalCpus: cpus.length,
    machineCpus: online.length,
    source: cores?.source ?? '/proc/cpuinfo (no topology: each CPU counts as a core)',
  };
}

interface Cores {
  count: number;
  source: string;
}

/** Each core lists its threads; hence as many different lists as cores. */
function coresFromSysfs(root: string, cpus: number[]): Cores | undefined {
  const cores = new Set<string>();
  for (const cpu of cpus) {
    const topology = `${SYSFS}/cpu${cpu}/topology`;
    // core_cpus_list is the newer name (kernel 5.3) of thread_siblings_list.
    const threads =
      readKernelFile(root, `${topology}/core_cpus_list`) ??
      readKernelFile(root, `${topology}/thread_siblings_list`);
    const list = threads === undefined ? undefined : parseCpuList(threads);
    if (!list?.includes(cpu)) return undefined;
    cores.add(list.join());
  }
  return { count: cores.size, source: '/sys/devices/system/cpu/cpu*/topology' };
}

interface CpuinfoEntry {
  cpu: number;
  /** Package and core; undefined where the architecture does not tell (ARM, many virtual machines). */
  core: string | undefined;
}

function coresFromCpuinfo(entries: CpuinfoEntry[], cpus: number[]): Cores | undefined {
  const ours = entries.filter(({ cpu }) => cpus.includes(cpu));
  const cores = new Set(ours.map(({ core }) => core));
  if (ours.length !== cpus.length || cores.has(undefined)) return undefined;
  return { count: cores.size, source: '/proc/cpuinfo' };
}

function parseCpuinfo(text: string): CpuinfoEntry[] {
  const entries: CpuinfoEntry[] = [];
  for (const block of text.split(/\n\s*\n/)) {
    const fields = new Map<string, string>();
    for (const line of block.split('\n')) {
      const [key, value] = line.split(':', 2);
      if (key !== undefined && value !== undefined) fields.set(key.trim(), value.trim());
    }
    const cpu = fields.get('processor');
    if (cpu === undefined || !/^\d+$/.test(cpu)) continue;
    const [socket, core] = [fields.get('physical id'), fields.get('core id')];
    entries.push({
      cpu: Number(cpu),
      core: socket === undefined || core === undefined ? undefined : `${socket}/${core}`,
    });
  }
  return entries;
}

function allowedCpus(root: string): Set<number> | undefined {
  const line = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readKernelFile(root, 'proc/self/status') ?? '')?.[1];
  const list = line === undefined ? undefined : parseCpuList(line);
  return list && new Set(list);
}

function cpuList(root: string, path: string): number[] | undefined {
  const text = readKernelFile(root, path);
  const list = text === undefined ? undefined : parseCpuList(text);
  return list?.length ? list : undefined;
}
