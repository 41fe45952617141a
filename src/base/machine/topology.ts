import { readCpuset } from './cgroup.ts';
import { coreKinds } from './core-kinds.ts';
import { parseCpuList } from './cpulist.ts';
import type { CpuFacts } from './facts.ts';
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
  const restrictions = [allowedCpus(root), readCpuset(root)].filter((some) => some !== undefined);
  const usable = online.filter((cpu) => restrictions.every(({ cpus }) => cpus.includes(cpu)));
  // A list that names none of the machine's CPUs tells nothing (lxcfs numbers them anew).
  const cpus = usable.length > 0 ? usable : online;
  const cores = coresFromSysfs(root, cpus) ?? coresFromCpuinfo(cpuinfo, cpus);
  const kinds = cores && coreKinds(root, cores.groups);
  const tightest = restrictions.reduce<CpuList | undefined>(
    (least, next) => (next.cpus.length < (least?.cpus.length ?? online.length) ? next : least),
    undefined,
  );
  return {
    physicalCores: cores?.groups.length ?? cpus.length,
    logicalCpus: cpus.length,
    machineCpus: online.length,
    source: cores?.source ?? '/proc/cpuinfo (no topology: each CPU counts as a core)',
    ...(kinds && { kinds }),
    ...(usable.length > 0 &&
      usable.length < online.length &&
      tightest && { allowed: { cpus: usable.length, source: tightest.source } }),
  };
}

interface Cores {
  /** Our CPUs, grouped by core. */
  groups: number[][];
  source: string;
}

/** Each core lists its threads; hence as many different lists as cores. */
function coresFromSysfs(root: string, cpus: number[]): Cores | undefined {
  const cores = new Map<string, number[]>();
  for (const cpu of cpus) {
    const topology = `${SYSFS}/cpu${cpu}/topology`;
    // core_cpus_list is the newer name (kernel 5.3) of thread_siblings_list.
    const threads =
      readKernelFile(root, `${topology}/core_cpus_list`) ??
      readKernelFile(root, `${topology}/thread_siblings_list`);
    const list = threads === undefined ? undefined : parseCpuList(threads);
    if (!list?.includes(cpu)) return undefined;
    addTo(cores, list.join(), cpu);
  }
  return { groups: [...cores.values()], source: '/sys/devices/system/cpu/cpu*/topology' };
}

interface CpuinfoEntry {
  cpu: number;
  /** Package and core; undefined where the architecture does not tell (ARM, many virtual machines). */
  core: string | undefined;
}

function coresFromCpuinfo(entries: CpuinfoEntry[], cpus: number[]): Cores | undefined {
  const ours = entries.filter(({ cpu }) => cpus.includes(cpu));
  const cores = new Map<string, number[]>();
  for (const { cpu, core } of ours) {
    if (core === undefined) return undefined;
    addTo(cores, core, cpu);
  }
  if (ours.length !== cpus.length) return undefined;
  return { groups: [...cores.values()], source: '/proc/cpuinfo' };
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

function addTo(groups: Map<string, number[]>, key: string, cpu: number): void {
  const group = groups.get(key);
  if (group) group.push(cpu);
  else groups.set(key, [cpu]);
}

interface CpuList {
  cpus: number[];
  source: string;
}

/** Affinity, and the cpusets that the kernel has applied to it. */
function allowedCpus(root: string): CpuList | undefined {
  const line = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readKernelFile(root, 'proc/self/status') ?? '')?.[1];
  const list = line === undefined ? undefined : parseCpuList(line);
  return list && { cpus: list, source: '/proc/self/status (Cpus_allowed_list)' };
}

function cpuList(root: string, path: string): number[] | undefined {
  const text = readKernelFile(root, path);
  const list = text === undefined ? undefined : parseCpuList(text);
  return list?.length ? list : undefined;
}
