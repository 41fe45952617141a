import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { readMachine } from '../../../src/base/machine/index.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures', 'machine');

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
