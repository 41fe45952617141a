/** A real control group of version 1 or 2, where this machine lets us make one, and what it says of itself. */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { textOrUndefined } from '../../src/base/io/read.ts';
import type { Scope } from '../../src/base/io/scope.ts';
import { until } from '../../src/base/io/wait.ts';
import { PATIENCE_MS } from './patience.ts';

/** Microseconds: the kernel's own default. */
const CPU_PERIOD = 100_000;

export interface CgroupLimits {
  /** Bytes; swap is not to be had beyond them. */
  memory: number;
  cpus?: number;
}

export interface Pressure {
  /** How many of its processes the kernel has killed for want of memory. */
  oomKills: number;
  /** How often the limit was met: v1's memory.failcnt, v2's `max` of memory.events. Page cache counts, and is given up. */
  limitHits: number;
  /** Bytes; undefined where the kernel does not say (v2 before Linux 5.19). */
  peak: number | undefined;
}

/** A hierarchy's folder, and the files of it that hold a limit. */
interface Hierarchy {
  parent: string;
  /** What comes before this process's own path in it, in /proc/self/cgroup (cgroups(7)). */
  own: RegExp;
  files: Readonly<Record<string, string>>;
  /** Those that a kernel without swap accounting does not have. */
  ifThere?: Readonly<Record<string, string>>;
}

function hierarchies({ memory, cpus }: CgroupLimits): Hierarchy[][] {
  const quota = cpus === undefined ? undefined : `${Math.round(cpus * CPU_PERIOD)}`;
  return [
    [
      {
        parent: '/sys/fs/cgroup',
        own: /^0::(.*)$/m,
        files: { 'memory.max': `${memory}`, ...(quota && { 'cpu.max': `${quota} ${CPU_PERIOD}` }) },
        ifThere: { 'memory.swap.max': '0' },
      },
    ],
    [
      {
        parent: '/sys/fs/cgroup/memory',
        own: /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m,
        files: { 'memory.limit_in_bytes': `${memory}` },
        ifThere: { 'memory.memsw.limit_in_bytes': `${memory}` },
      },
      ...(quota
        ? [
            {
              parent: '/sys/fs/cgroup/cpu',
              own: /^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:(.*)$/m,
              files: { 'cpu.cfs_period_us': `${CPU_PERIOD}`, 'cpu.cfs_quota_us': quota },
            },
          ]
        : []),
    ],
  ];
}

export class Cgroup {
  readonly name: string;
  readonly #layout: readonly Hierarchy[];

  private constructor(name: string, layout: readonly Hierarchy[]) {
    this.name = name;
    this.#layout = layout;
  }

  /** Undefined where this machine does not let us make one. It goes when the scope ends: make it before what runs in it. */
  static make(scope: Scope, name: string, limits: CgroupLimits): Cgroup | undefined {
    const unique = `webui-tune-${name}-${process.pid}`;
    const layout = hierarchies(limits).find((candidate) => makeFolders(unique, candidate));
    if (!layout) return undefined;
    scope.defer(`cgroup ${unique}`, async () => {
      // It is busy for a moment after its last process has gone.
      for (const folder of layout.map(({ parent }) => join(parent, unique))) {
        await until(() => removed(folder), { what: `${folder} is empty`, timeoutMs: PATIENCE_MS });
      }
    });
    return new Cgroup(unique, layout);
  }

  /** Runs it with this process in the group, so that what it starts is born there: memory does not move with a process. */
  async inside<T>(run: () => Promise<T>): Promise<T> {
    const own = readFileSync('/proc/self/cgroup', 'utf8');
    for (const { parent } of this.#layout) enter(join(parent, this.name));
    try {
      return await run();
    } finally {
      for (const { parent, own: line } of this.#layout) enter(join(parent, line.exec(own)?.[1] ?? ''));
    }
  }

  has(pid: number): boolean {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`/${this.name}\n`);
  }

  pressure(): Pressure {
    const [{ parent = '' } = {}] = this.#layout;
    const read = (file: string) => textOrUndefined(join(parent, this.name, file));
    const events = read('memory.events');
    const peak = read(events === undefined ? 'memory.max_usage_in_bytes' : 'memory.peak');
    return {
      oomKills: field(events ?? read('memory.oom_control') ?? '', 'oom_kill'),
      limitHits: events === undefined ? Number(read('memory.failcnt')) : field(events, 'max'),
      peak: peak === undefined ? undefined : Number(peak),
    };
  }
}

/** False: not allowed, or there is no such hierarchy. */
function makeFolders(name: string, layout: readonly Hierarchy[]): boolean {
  const folders: string[] = [];
  try {
    for (const { parent, files, ifThere = {} } of layout) {
      allowControllers(parent);
      const folder = join(parent, name);
      mkdirSync(folder);
      folders.push(folder);
      // Existing files only: where no hierarchy is mounted, this would make ordinary ones.
      for (const [file, value] of Object.entries(files)) {
        writeFileSync(join(folder, file), value, { flag: 'r+' });
      }
      for (const [file, value] of Object.entries(ifThere)) {
        try {
          writeFileSync(join(folder, file), value, { flag: 'r+' });
        } catch {
          // There is no swap to be kept out of.
        }
      }
    }
    return true;
  } catch {
    for (const folder of folders) rmdirSync(folder);
    return false;
  }
}

/** Version 2 gives a controller to the groups below only where it is told to (Documentation/admin-guide/cgroup-v2.rst). */
function allowControllers(parent: string): void {
  const file = join(parent, 'cgroup.subtree_control');
  const allowed = textOrUndefined(file)?.split(/\s+/);
  for (const controller of ['memory', 'cpu']) {
    if (allowed && !allowed.includes(controller)) writeFileSync(file, `+${controller}`, { flag: 'r+' });
  }
}

function enter(folder: string): void {
  writeFileSync(join(folder, 'cgroup.procs'), `${process.pid}`, { flag: 'r+' });
}

function removed(folder: string): boolean {
  rmdirSync(folder);
  return true;
}

function field(text: string, name: string): number {
  const value = new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1];
  if (value === undefined) throw new Error(`the kernel does not count ${name}: ${text}`);
  return Number(value);
}

export interface GroupMemory {
  /** Bytes that the kernel charges to the group: what its limit is compared with. */
  used: number;
  /** Bytes of `used` that are files in the page cache: the kernel gives them up where it needs memory. */
  pageCache: number;
  /** Bytes of those that were not used lately. */
  inactive: number;
  limit: number;
}

/** Memory of the group with that name, which a process is in; of version 1 or 2. */
export function groupMemory(pid: number, name: string): GroupMemory {
  const memberships = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  const ofVersion1 = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(memberships)?.[1];
  const path = ofVersion1 ?? /^0::(.*)$/m.exec(memberships)?.[1] ?? '';
  const end = path.indexOf(name) + name.length;
  const folder = join(ofVersion1 ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup', path.slice(0, end));
  const read = (version1: string, version2: string) =>
    readFileSync(join(folder, ofVersion1 ? version1 : version2), 'utf8');
  const stat = read('memory.stat', 'memory.stat');
  // Of both lists: files that are mapped, too. Version 1 says `total_` of the groups below as well.
  const [inactive, active] = ['inactive_file', 'active_file'].map((list) =>
    field(stat, ofVersion1 ? `total_${list}` : list),
  ) as [number, number];
  return {
    used: Number(read('memory.usage_in_bytes', 'memory.current')),
    pageCache: inactive + active,
    inactive,
    limit: Number(read('memory.limit_in_bytes', 'memory.max')),
  };
}
