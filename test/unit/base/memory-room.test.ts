import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { readOomKills } from '../../../src/base/machine/cgroup.ts';
import { readMemoryRoom } from '../../../src/base/machine/memory-room.ts';
import { GIB, MIB } from '../../../src/base/units.ts';
import { Cgroup } from '../../kit/cgroup.ts';
import { temporaryFolder } from '../../kit/temporary.ts';
import { useScope } from '../../kit/vitest.ts';

const V2 = '29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n';
const V1 = '30 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n';
const MEMINFO = 'MemTotal: 8388608 kB\nMemAvailable: 6291456 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n';
const VMSTAT = 'pgfault 12\noom_kill 7\n';

describe('the memory around a process', () => {
  it('is that of its own group, not of the one that looks', () => {
    const root = temporaryFolder({
      'proc/self/mountinfo': V2,
      'proc/self/cgroup': '0::/other\n',
      'proc/42/cgroup': '0::/app.slice/webui\n',
      'proc/meminfo': MEMINFO,
      'sys/fs/cgroup/app.slice/webui/memory.max': `${2 * GIB}\n`,
      'sys/fs/cgroup/app.slice/webui/memory.current': `${GIB}\n`,
      'sys/fs/cgroup/app.slice/webui/memory.stat': `inactive_file ${512 * MIB}\n`,
      'sys/fs/cgroup/app.slice/webui/memory.events': 'low 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 1\n',
      'sys/fs/cgroup/other/memory.events': 'oom_kill 5\n',
    });
    expect(readMemoryRoom(root, 42)).toEqual({ limit: 2 * GIB, available: 1.5 * GIB, oomKills: 2 });
  });

  it('is that of the machine where no group limits it', () => {
    const root = temporaryFolder({
      'proc/self/mountinfo': V2,
      'proc/42/cgroup': '0::/\n',
      'proc/meminfo': MEMINFO,
      'proc/vmstat': VMSTAT,
    });
    expect(readMemoryRoom(root, 42)).toEqual({ limit: 8 * GIB, available: 6 * GIB, oomKills: 7 });
  });

  it('counts the kills of a group of version 1', () => {
    const root = temporaryFolder({
      'proc/self/mountinfo': V1,
      'proc/42/cgroup': '4:memory:/webui\n0::/\n',
      'proc/vmstat': VMSTAT,
      'sys/fs/cgroup/memory/webui/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n',
    });
    expect(readOomKills(root, 42)).toBe(3);
  });

  it('says nothing where the kernel does not', () => {
    expect(readMemoryRoom(temporaryFolder({ 'proc/42/cgroup': '0::/\n' }), 42)).toEqual({});
  });
});

const scope = useScope();
const group = Cgroup.make(scope, 'oom', { memory: 64 * MIB });
const why = group ? '' : ': none can be made here';

describe.skipIf(group === undefined)(`in a real cgroup of 64 MiB${why}`, () => {
  /** In the group, until the scope ends. */
  async function start(command: string, ...args: string[]): Promise<ChildProcessWithoutNullStreams> {
    const child = await group?.inside(async () => spawn(command, args));
    if (!child) throw new Error('there is no group');
    scope.defer(command, () => void child.kill('SIGKILL'));
    return child;
  }

  it('counts a process that the kernel kills', async () => {
    const waits = await start('cat');
    // Without the end of a line, tail keeps all that it reads.
    const grows = await start('sh', '-c', 'read -r go && exec tail /dev/zero');
    const before = readOomKills('/', waits.pid) ?? 0;
    grows.stdin.end('go\n');
    expect(await once(grows, 'exit')).toEqual([null, 'SIGKILL']);
    expect(readOomKills('/', waits.pid)).toBe(before + 1);
  });
});
