import { cgroupV1 } from './cgroup-v1.ts';
import { cgroupV2 } from './cgroup-v2.ts';
import { parseCpuList } from './cpulist.ts';
import type { CpuQuota, MemoryLimit } from './facts.ts';
import { readKernelFile } from './files.ts';
import { type Mount, parseMountInfo } from './mountinfo.ts';

export interface CgroupLimits {
  memory?: MemoryLimit;
  /** Bytes left in the group around us that has the least left. It need not be the one with the lowest limit. */
  leftBytes?: number;
  cpu?: CpuQuota;
  notes: string[];
}

/** A process; `self` is this one. */
type Pid = number | 'self';

const MOUNT_POINT = 'sys/fs/cgroup';

/** Our group in one hierarchy: a line of /proc/self/cgroup (cgroups(7)). */
interface Membership {
  /** Empty for v2. */
  controllers: string[];
  path: string;
}

/**
 * The tightest limits around a process, by default this one: over all hierarchies (v1 and v2 can be mounted together), from our own
 * group up to the top, because the kernel enforces every one of them.
 */
export function readCgroupLimits(root: string, pid: Pid = 'self'): CgroupLimits {
  const mounts = cgroupMounts(root);
  const notes: string[] = [];
  let memory: MemoryLimit | undefined;
  let cpu: CpuQuota | undefined;
  let left = Number.POSITIVE_INFINITY;
  for (const { controllers, path } of memberships(root, mounts, pid)) {
    const reader = controllers.length > 0 ? cgroupV1 : cgroupV2;
    const mount = mountOf(mounts, controllers);
    if (!mount) continue;
    const has = (controller: string) => controllers.length === 0 || controllers.includes(controller);
    for (const folder of foldersUpwards(mount, path)) {
      if (has('memory')) {
        const limit = reader.memory(root, folder, notes);
        if (limit) left = Math.min(left, limit.bytes - (limit.usedBytes ?? 0));
        memory = tightest(memory, limit, 'bytes');
      }
      if (has('cpu')) cpu = tightest(cpu, reader.cpu(root, folder, notes), 'cores');
    }
  }
  return { notes, ...(memory && { memory, leftBytes: Math.max(0, left) }), ...(cpu && { cpu }) };
}

/**
 * CPUs that a cpuset leaves us. The effective list of our own group already includes the limits of those above
 * (cpuset(7)).
 */
export function readCpuset(root: string): { cpus: number[]; source: string } | undefined {
  const mounts = cgroupMounts(root);
  for (const { controllers, path } of memberships(root, mounts)) {
    if (controllers.length > 0 && !controllers.includes('cpuset')) continue;
    const names =
      controllers.length > 0 ? ['cpuset.effective_cpus', 'cpuset.cpus'] : ['cpuset.cpus.effective'];
    const mount = mounts.find(({ type, superOptions }) =>
      controllers.length > 0 ? type === 'cgroup' && superOptions.includes('cpuset') : type === 'cgroup2',
    );
    for (const folder of mount ? foldersUpwards(mount, path) : []) {
      for (const source of names.map((name) => `${folder}/${name}`)) {
        const cpus = parseCpuList(readKernelFile(root, source) ?? '');
        if (cpus?.length) return { cpus, source };
      }
    }
  }
  return undefined;
}

/**
 * Processes of a process's group that the kernel has killed for want of memory; where the kernel counts none for the group,
 * those of the machine (/proc/vmstat). Undefined: it does not say.
 */
export function readOomKills(root: string, pid: Pid = 'self'): number | undefined {
  const mounts = cgroupMounts(root);
  for (const { controllers, path } of memberships(root, mounts, pid)) {
    const isV1 = controllers.length > 0;
    if (isV1 && !controllers.includes('memory')) continue;
    const mount = mountOf(mounts, controllers);
    const [folder] = mount ? foldersUpwards(mount, path) : [];
    const kills = oomKills(root, `${folder}/${isV1 ? 'memory.oom_control' : 'memory.events'}`);
    if (kills !== undefined) return kills;
  }
  return oomKills(root, 'proc/vmstat');
}

/** All three files have it on a line of its own (kernel documentation, admin-guide/cgroup-v1/memory, cgroup-v2). */
function oomKills(root: string, path: string): number | undefined {
  const count = /^oom_kill (\d+)$/m.exec(readKernelFile(root, path) ?? '')?.[1];
  return count === undefined ? undefined : Number(count);
}

function mountOf(mounts: readonly Mount[], controllers: readonly string[]): Mount | undefined {
  return mounts.find(({ type, superOptions }) =>
    controllers.length > 0
      ? type === 'cgroup' && controllers.every((controller) => superOptions.includes(controller))
      : type === 'cgroup2',
  );
}

/** Mounted hierarchies; where no mountinfo says, those at the usual place. */
function cgroupMounts(root: string): Mount[] {
  const mounts = parseMountInfo(readKernelFile(root, 'proc/self/mountinfo') ?? '').filter(({ type }) =>
    type.startsWith('cgroup'),
  );
  if (mounts.length > 0) return mounts;
  const at = (folder: string, type: string, superOptions: string[] = []) => ({
    root: '/',
    mountPoint: `/${folder}`,
    type,
    superOptions,
  });
  const has = (path: string) => readKernelFile(root, `${MOUNT_POINT}/${path}`) !== undefined;
  if (['cgroup.controllers', 'memory.max', 'cpu.max'].some(has)) return [at(MOUNT_POINT, 'cgroup2')];
  const cpu = ['cpu,cpuacct', 'cpu'].find((name) => has(`${name}/cpu.cfs_quota_us`));
  return [
    ...(has('memory/memory.limit_in_bytes') ? [at(`${MOUNT_POINT}/memory`, 'cgroup', ['memory'])] : []),
    ...(cpu ? [at(`${MOUNT_POINT}/${cpu}`, 'cgroup', ['cpu'])] : []),
  ];
}

/** Groups of a process; where its /proc/PID/cgroup does not say, the top of each hierarchy. */
function memberships(root: string, mounts: readonly Mount[], pid: Pid = 'self'): Membership[] {
  const text = readKernelFile(root, `proc/${pid}/cgroup`);
  if (text !== undefined && text !== '') return parseMemberships(text);
  const controllersOf = ({ type, superOptions }: Mount) =>
    type === 'cgroup2' ? [] : superOptions.filter((option) => ['memory', 'cpu', 'cpuset'].includes(option));
  return mounts
    .map((mount) => ({ controllers: controllersOf(mount), path: '/', type: mount.type }))
    .filter(({ controllers, type }) => type === 'cgroup2' || controllers.length > 0);
}

function parseMemberships(text: string): Membership[] {
  const memberships: Membership[] = [];
  for (const line of text.split('\n')) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    memberships.push({ controllers: match[1].split(',').filter(Boolean), path: match[2] });
  }
  return memberships;
}

/** Our group's folder and all above it up to the mount point. */
export function foldersUpwards(mount: Mount, path: string): string[] {
  const inside = insideMount(mount.root, path);
  const names = inside.split('/').filter(Boolean);
  const folders: string[] = [];
  for (let depth = names.length; depth >= 0; depth--) {
    folders.push([mount.mountPoint.replace(/\/$/, ''), ...names.slice(0, depth)].join('/'));
  }
  return folders;
}

/**
 * The group's path below what is mounted. In a container the mount's root is often the container's own group; and a
 * path with `..` lies outside of our cgroup namespace: then the top of the mount is the closest that can be seen.
 */
function insideMount(mountRoot: string, path: string): string {
  if (path.split('/').includes('..')) return '';
  if (mountRoot === '/') return path;
  if (path === mountRoot || path.startsWith(`${mountRoot}/`)) return path.slice(mountRoot.length);
  return '';
}

function tightest<K extends string, T extends Record<K, number>>(
  left: T | undefined,
  right: T | undefined,
  key: K,
): T | undefined {
  if (!left || !right) return left ?? right;
  return right[key] < left[key] ? right : left;
}
