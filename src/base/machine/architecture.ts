import type { MachineFacts } from './facts.ts';
import { readKernelFile } from './files.ts';

/** The kernel's names (uname -m) and Node's. */
const NAMES: Readonly<Record<string, string>> = {
  x86_64: 'x64',
  aarch64: 'arm64',
  armv7l: 'arm',
  armv6l: 'arm',
  i686: 'ia32',
  ppc64le: 'ppc64',
  s390x: 's390x',
  riscv64: 'riscv64',
};

/** Lines of /proc/cpuinfo that only one architecture has. */
const SIGNS: readonly (readonly [RegExp, string])[] = [
  [/^flags\s*:.*\blm\b/m, 'x64'],
  [/^CPU architecture\s*:\s*(?:8|AArch64)/m, 'arm64'],
  [/^CPU architecture\s*:\s*[67]/m, 'arm'],
  [/^isa\s*:\s*rv64/m, 'riscv64'],
  [/^cpu\s*:\s*POWER/m, 'ppc64'],
  [/^vendor_id\s*:\s*IBM\/S390/m, 's390x'],
  [/^vendor_id\s*:\s*(?:GenuineIntel|AuthenticAMD)/m, 'x64'],
];

/** Architecture of a machine that is not this one. */
export function readArchitecture(root: string): Pick<MachineFacts, 'architecture' | 'architectureSource'> {
  // Since kernel 6.1.
  const machine = readKernelFile(root, 'proc/sys/kernel/arch');
  if (machine) {
    return { architecture: NAMES[machine] ?? machine, architectureSource: '/proc/sys/kernel/arch' };
  }
  const cpuinfo = readKernelFile(root, 'proc/cpuinfo') ?? '';
  const architecture = SIGNS.find(([sign]) => sign.test(cpuinfo))?.[1];
  return architecture
    ? { architecture, architectureSource: '/proc/cpuinfo' }
    : { architecture: 'unknown', architectureSource: 'neither /proc/sys/kernel/arch nor /proc/cpuinfo says' };
}
