import type { MachineFacts, Surrounding } from './facts.ts';
import { readKernelFile } from './files.ts';
import { parseMountInfo } from './mountinfo.ts';

/** Names of container technologies in the paths of their groups and mounts. */
const CONTAINERS: readonly (readonly [RegExp, string])[] = [
  [/kubepods|\/kubelet\/pods\//, 'kubernetes'],
  [/libpod|\/containers\/storage\//, 'podman'],
  [/docker/, 'docker'],
  [/\/lxc(?:\/|\.|$)|lxc\.payload|lxcfs/m, 'lxc'],
  [/machine\.slice\/systemd-nspawn|systemd-nspawn/, 'systemd-nspawn'],
  [/containerd|\/cri-/, 'containerd'],
];

/** Names in the firmware's tables, vendor and product together. */
const MACHINES: readonly (readonly [RegExp, string])[] = [
  [/Amazon EC2/i, 'amazon'],
  [/Google/i, 'google'],
  [/Microsoft Corporation.*Virtual Machine/is, 'hyper-v'],
  [/VMware/i, 'vmware'],
  [/innotek|VirtualBox/i, 'virtualbox'],
  [/Xen/i, 'xen'],
  [/Parallels/i, 'parallels'],
  [/QEMU|KVM|Bochs|DigitalOcean|Hetzner|OpenStack|Alibaba|vServer/i, 'kvm'],
];

/** What can be seen of a container and of a virtual machine from inside; there may be one within the other. */
export function readSurroundings(root: string): Pick<MachineFacts, 'container' | 'vm'> {
  const container = findContainer(root);
  const vm = findVm(root);
  return { ...(container && { container }), ...(vm && { vm }) };
}

function findContainer(root: string): Surrounding | undefined {
  // Only root may read it, and only some technologies set it (systemd's container interface).
  const declared = /(?:^|\0)container=([^\0]+)/.exec(readKernelFile(root, 'proc/1/environ') ?? '')?.[1];
  if (declared) return { name: declared, source: '/proc/1/environ' };
  const groups = readKernelFile(root, 'proc/self/cgroup') ?? '';
  const inGroups = nameIn(CONTAINERS, groups);
  if (inGroups) return { name: inGroups, source: '/proc/self/cgroup' };
  // In a namespace of its own the group is "/": what is mounted from outside still has its path there.
  const source = '/proc/self/mountinfo';
  const mountinfo = readKernelFile(root, source) ?? '';
  const mounts = parseMountInfo(mountinfo);
  const fromOutside = mounts.filter(({ root: folder, mountPoint, type }) =>
    type === 'fuse.lxcfs' ? true : folder !== '/' && /^\/(?:etc\/|dev\/termination-log)/.test(mountPoint),
  );
  const inMounts = nameIn(
    CONTAINERS,
    fromOutside.map(({ root: folder, type }) => (type === 'fuse.lxcfs' ? 'lxcfs' : folder)).join('\n'),
  );
  if (inMounts) return { name: inMounts, source };
  const top = mounts.find(({ mountPoint }) => mountPoint === '/');
  return top?.type === 'overlay' ? { name: 'container', source: `${source} (/ is an overlay)` } : undefined;
}

function findVm(root: string): Surrounding | undefined {
  const release = readKernelFile(root, 'proc/sys/kernel/osrelease') ?? '';
  if (/microsoft/i.test(release)) return { name: 'wsl', source: '/proc/sys/kernel/osrelease' };
  const names = ['sys_vendor', 'product_name'].map((name) =>
    readKernelFile(root, `sys/class/dmi/id/${name}`),
  );
  const byFirmware = nameIn(MACHINES, names.join('\n'));
  if (byFirmware) return { name: byFirmware, source: '/sys/class/dmi/id' };
  const hypervisor = readKernelFile(root, 'sys/hypervisor/type');
  if (hypervisor) return { name: hypervisor, source: '/sys/hypervisor/type' };
  const hasFlag = /^flags\s*:.*\bhypervisor\b/m.test(readKernelFile(root, 'proc/cpuinfo') ?? '');
  return hasFlag ? { name: 'vm', source: '/proc/cpuinfo (hypervisor)' } : undefined;
}

function nameIn(names: readonly (readonly [RegExp, string])[], text: string): string | undefined {
  return names.find(([pattern]) => pattern.test(text))?.[1];
}
