import { parseCpuList } from './cpulist.ts';
import type { CoreKinds } from './facts.ts';
import { readKernelFile } from './files.ts';

/** The kernel's names of Intel's two kinds of cores, as event sources of perf (kernel 5.13 and later). */
const INTEL = { performance: 'sys/devices/cpu_core/cpus', efficiency: 'sys/devices/cpu_atom/cpus' };

/** Share of the fastest core's capacity below which a core is a frugal one. ARM's little cores have 0.2 to 0.5. */
const SLOW = 0.75;

/** How many of our cores are fast and how many are frugal; undefined where all are alike. `cores`: their CPUs. */
export function coreKinds(root: string, cores: readonly (readonly number[])[]): CoreKinds | undefined {
  return fromIntel(root, cores) ?? fromCapacity(root, cores);
}

function fromIntel(root: string, cores: readonly (readonly number[])[]): CoreKinds | undefined {
  const [fast, frugal] = [INTEL.performance, INTEL.efficiency].map((path) =>
    parseCpuList(readKernelFile(root, path) ?? ''),
  );
  if (!fast?.length || !frugal?.length) return undefined;
  const count = (cpus: readonly number[]) => cores.filter(([cpu = -1]) => cpus.includes(cpu)).length;
  const source = '/sys/devices/cpu_core/cpus and cpu_atom/cpus';
  return { performance: count(fast), efficiency: count(frugal), source };
}

/** `cpu_capacity`: computing power of a CPU, 1024 for the fastest (kernel documentation, scheduler/sched-capacity). */
function fromCapacity(root: string, cores: readonly (readonly number[])[]): CoreKinds | undefined {
  const capacities = cores.map(([cpu]) =>
    Number(readKernelFile(root, `sys/devices/system/cpu/cpu${cpu}/cpu_capacity`) || Number.NaN),
  );
  const fastest = Math.max(...capacities);
  if (!(fastest > 0)) return undefined; // missing for one: NaN
  const efficiency = capacities.filter((capacity) => capacity < SLOW * fastest).length;
  if (efficiency === 0) return undefined;
  const source = '/sys/devices/system/cpu/cpu*/cpu_capacity';
  return { performance: cores.length - efficiency, efficiency, source };
}
