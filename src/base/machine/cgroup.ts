import { cgroupV1 } from './cgroup-v1.ts';
import { cgroupV2 } from './cgroup-v2.ts';
import { parseCpuList } from './cpulist.ts';
import type { CpuQuota, MemoryLimit } from './facts.ts';
import { readKernelFile } from './files.ts';
import { type Mount, parseMountInfo } from './mountinfo.ts';

export interface CgroupLimits {
  memory?: MemoryLimit;
  /** Bytes that are left in the fullest group around us, which need not be the one with the tightest limit. */
  leftBytes?: number;
  cpu?: CpuQuota;
  notes: string[];
}

const MOUNT_POINT = 'sys/fs/cgroup';

/** Our group in one hierarchy: a line of /proc/self/cgroup (cgroups(7)). */
interface Membership {
  /** Empty for v2. */
  controllers: string[];
  path: string;
}

/**
 * The tightest limits around this process: over all hierarchies (v1 and v2 can be mounted together), from our own
 * group up to the top, because the kernel enforces every one of them.
 */
export function readCgroupLimits(root: string): CgroupLimits {
  const mounts = cgroupMounts(root);
  const notes: string[] = [];
  let memory: MemoryLimit | undefined;
  let cpu: CpuQuota | undefined;
  let left = Number.POSITIVE_INFINITY;
  for (const { controllers, path } of memberships(root, mounts)) {
    const reader = controllers.length > 0 ? cgroupV1 : cgroupV2;
    const mount = mounts.find(({ type, superOptions }) =>
      controllers.length > 0
        ? type === 'cgroup' && controllers.every((controller) => superOptions.includes(controller))
        : type === 'cgroup2',
    );
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

/** CPUs that a cpuset leaves us: the effective list of our own group already knows the ancestors' (cpuset(7)). */
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

/** Our groups; where /proc/self/cgroup does not say, the top of each hierarchy. */
function memberships(root: string, mounts: readonly Mount[]): Membership[] {
  const text = readKernelFile(root, 'proc/self/cgroup');
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
