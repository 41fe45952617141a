import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { foldersUpwards } from '../src/base/machine/cgroup.ts';
import { parseCpuList } from '../src/base/machine/cpulist.ts';
import { readMachine } from '../src/base/machine/index.ts';
import { listenersOn } from '../src/base/machine/listeners.ts';
import { memoryOf, processesIn, processesWith } from '../src/base/machine/processes.ts';
import { temporaryFolder } from './temporary.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures', 'machine');

/** Each folder is a machine; its name says what is special about it. */
describe('readMachine', () => {
  test.each(readdirSync(FIXTURES))('%s', async (name) => {
    const root = join(FIXTURES, name);
    const expected: unknown = JSON.parse(readFileSync(join(root, 'expected.json'), 'utf8'));
    const { cpu, memory, notes, ...machine } = await readMachine(root);
    // Every fact with its source, and nothing else.
    expect({ ...machine, cpu, memory, notes: notes.length }).toEqual(expected);
  });

  it('has at least 25 machines to read', () =>
    expect(readdirSync(FIXTURES).length).toBeGreaterThanOrEqual(25));

  it('names the file that it could not understand', async () => {
    const { notes } = await readMachine(join(FIXTURES, 'malformed'));
    expect(notes).toContainEqual(expect.stringContaining('/sys/fs/cgroup/a/memory.max'));
    expect(notes).toContainEqual(expect.stringContaining('/sys/fs/cgroup/a/cpu.max'));
  });

  it('asks the system where there are no such files', async () => {
    const { cpu, memory, notes } = await readMachine('/nowhere', true);
    expect(cpu.source).toBe('systeminformation');
    expect(cpu.physicalCores).toBeGreaterThanOrEqual(1);
    expect(memory.totalBytes).toBeGreaterThan(0);
    expect(notes).toHaveLength(1);
  });

  it('asks nothing of this machine for another one', async () => {
    const empty = temporaryFolder();
    await expect(readMachine(empty)).rejects.toThrow('no proc/meminfo');
    const root = temporaryFolder({ 'proc/meminfo': 'MemTotal: 2048000 kB\nMemAvailable: 1024000 kB\n' });
    const { cpu, notes } = await readMachine(root);
    expect(cpu.physicalCores).toBe(1);
    expect(notes).toEqual([expect.stringContaining('one core is assumed')]);
  });

  it('reads the machine that it runs on', async () => {
    const { cpu, memory } = await readMachine();
    expect(cpu.physicalCores).toBeGreaterThanOrEqual(1);
    expect(cpu.logicalCpus).toBeGreaterThanOrEqual(cpu.physicalCores);
    expect(memory.availableBytes).toBeGreaterThan(0);
    expect(memory.availableBytes).toBeLessThanOrEqual(memory.totalBytes);
  });
});

describe('parseCpuList', () => {
  it.each([
    ['0-3,8', [0, 1, 2, 3, 8]],
    ['5', [5]],
    ['3,1-2,2', [1, 2, 3]],
    ['', []],
  ])('%j', (text, cpus) => expect(parseCpuList(text)).toEqual(cpus));

  it.each(['x', '1-', '3-1', '1,,2', '-1', '0-99999999'])('refuses %j', (text) =>
    expect(parseCpuList(text)).toBeUndefined(),
  );
});

describe('foldersUpwards', () => {
  const mount = (root: string) => ({ root, mountPoint: '/cg', type: 'cgroup2', superOptions: [] });

  it.each([
    ['/', '/a/b', ['/cg/a/b', '/cg/a', '/cg']],
    ['/', '/', ['/cg']],
    ['/a', '/a/b', ['/cg/b', '/cg']],
    ['/a', '/ab', ['/cg']],
    ['/', '/../x', ['/cg']],
  ])('root %s, group %s', (root, path, folders) =>
    expect(foldersUpwards(mount(root), path)).toEqual(folders),
  );
});

describe('processes', () => {
  const root = join(import.meta.dirname, 'fixtures', 'processes');

  it('finds the processes of an installation by its control socket', () => {
    const found = processesWith(root, '/run/ours/control.sock');
    expect(found.map(({ pid }) => pid)).toEqual([100, 200]);
    expect(found[0]?.command).toEqual(['python', '/app/preload.py']);
  });

  it('finds those that work in a folder, also where it is gone', () => {
    const machine = temporaryFolder();
    const folders = ['/scratch/ours', '/scratch/ours/redis (deleted)', '/scratch/ours-too', '/scratch'];
    for (const [index, folder] of folders.entries()) {
      mkdirSync(join(machine, 'proc', `${index + 1}`), { recursive: true });
      symlinkSync(folder, join(machine, 'proc', `${index + 1}`, 'cwd'));
    }
    expect(processesIn(machine, '/scratch/ours').map(({ pid }) => pid)).toEqual([1, 2]);
  });

  it('adds up what they hold, shared pages counted once', () => {
    const found = processesWith(root, '/run/ours/control.sock');
    expect(memoryOf(root, found)).toBe((300_000 + 70_000) * 1024);
  });

  it('says that a port is in use, whoever it is', () => {
    expect(listenersOn(root, 8080)).toEqual([]);
    expect(listenersOn(root, 9090)).toEqual([]);
  });

  it('names who listens, where we may look', () => {
    const temporary = mkdtempSync(join(tmpdir(), 'webui-tune-'));
    try {
      mkdirSync(join(temporary, 'proc/net'), { recursive: true });
      writeFileSync(join(temporary, 'proc/net/tcp'), readFileSync(join(root, 'proc/net/tcp')));
      mkdirSync(join(temporary, 'proc/77/fd'), { recursive: true });
      writeFileSync(join(temporary, 'proc/77/cmdline'), 'nginx\0-g\0');
      symlinkSync('socket:[777]', join(temporary, 'proc/77/fd/6'));
      expect(listenersOn(temporary, 8080)).toEqual([{ pid: 77, command: ['nginx', '-g'] }]);
    } finally {
      rmSync(temporary, { recursive: true });
    }
  });

  it('takes a connection from that port for no listener', () =>
    expect(listenersOn(root, 3000)).toBeUndefined());
});
