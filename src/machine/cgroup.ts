import type { CpuQuota, MemoryLimit } from '../types.ts';
import { cgroupV1 } from './cgroup-v1.ts';
import { cgroupV2 } from './cgroup-v2.ts';
import { readKernelFile } from './files.ts';
import { type Mount, parseMountInfo } from './mountinfo.ts';

export interface CgroupLimits {
  memory?: MemoryLimit;
  cpu?: CpuQuota;
  notes: string[];
}

/** Reads the limits of one group; `undefined` is "no limit", and a note is what cannot be understood. */
export interface CgroupReader {
  memory(root: string, folder: string, notes: string[]): MemoryLimit | undefined;
  cpu(root: string, folder: string, notes: string[]): CpuQuota | undefined;
}

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
  const mounts = parseMountInfo(readKernelFile(root, 'proc/self/mountinfo') ?? '');
  const notes: string[] = [];
  let memory: MemoryLimit | undefined;
  let cpu: CpuQuota | undefined;
  for (const { controllers, path } of parseMemberships(readKernelFile(root, 'proc/self/cgroup') ?? '')) {
    const reader = controllers.length > 0 ? cgroupV1 : cgroupV2;
    const mount = mounts.find(({ type, superOptions }) =>
      controllers.length > 0
        ? type === 'cgroup' && controllers.every((controller) => superOptions.includes(controller))
        : type === 'cgroup2',
    );
    if (!mount) continue;
    const has = (controller: string) => controllers.length === 0 || controllers.includes(controller);
    for (const folder of foldersUpwards(mount, path)) {
      if (has('memory')) memory = tightest(memory, reader.memory(root, folder, notes), 'bytes');
      if (has('cpu')) cpu = tightest(cpu, reader.cpu(root, folder, notes), 'cores');
    }
  }
  return { notes, ...(memory && { memory }), ...(cpu && { cpu }) };
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
