import type { CpuFacts, MachineFacts } from '../base/machine/facts.ts';
import { formatBytes } from '../base/units.ts';
import type { Recommendation } from './types.ts';

/** What was read from the machine; each fact names its file. */
export function machineFacts({ cpu, memory, ...machine }: MachineFacts): Recommendation[] {
  const { limit, swapFreeBytes } = memory;
  return [
    fact('machine.cores', cpu.physicalCores, coresReason(cpu)),
    fact('machine.cpus', cpu.logicalCpus, `of ${cpu.machineCpus} in the machine`),
    ...(cpu.quota ? [fact('machine.quota', cpu.quota.cores, `CPUs of time (${cpu.quota.source})`)] : []),
    fact(
      'machine.memory',
      formatBytes(memory.availableBytes),
      `free for new processes, of ${formatBytes(memory.totalBytes)} (${memory.source})`,
    ),
    ...(limit
      ? [
          fact(
            'machine.memoryLimit',
            formatBytes(limit.bytes),
            `${limit.usedBytes === undefined ? '' : `${formatBytes(limit.usedBytes)} of it in use `}(${limit.source})`,
          ),
        ]
      : []),
    fact(
      'machine.swap',
      formatBytes(memory.swapBytes),
      `${swapFreeBytes === undefined ? '' : `${formatBytes(swapFreeBytes)} of it free `}(${memory.source}); the plan does not use it`,
    ),
    fact('machine.architecture', machine.architecture, machine.architectureSource ?? machine.platform),
    fact(
      'machine.container',
      machine.container?.name ?? 'none',
      machine.container?.source ?? 'no sign of one',
    ),
    fact('machine.vm', machine.vm?.name ?? 'none', machine.vm?.source ?? 'no sign of one'),
    ...(machine.openFiles
      ? [fact('machine.openFiles', machine.openFiles.value, `a process (${machine.openFiles.source})`)]
      : []),
    ...(machine.somaxconn
      ? [
          fact(
            'machine.somaxconn',
            machine.somaxconn.value,
            `may wait on a socket (${machine.somaxconn.source})`,
          ),
        ]
      : []),
  ];
}

function coresReason({ kinds, allowed, source, logicalCpus, machineCpus }: CpuFacts): string {
  const parts = [
    ...(kinds
      ? [`${kinds.performance} performance and ${kinds.efficiency} efficiency cores (${kinds.source})`]
      : []),
    ...(allowed ? [`${logicalCpus} of ${machineCpus} CPUs may be used (${allowed.source})`] : []),
    `two hyper-threads are one core (${source})`,
  ];
  return parts.join('; ');
}

function fact(key: string, value: string | number, reason: string): Recommendation {
  return { key, value, reason, source: 'computed' };
}
