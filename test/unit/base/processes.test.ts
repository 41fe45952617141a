import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listenersOn } from '../../../src/base/machine/listeners.ts';
import { memoryOf, processesIn, processesWith } from '../../../src/base/machine/processes.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('processes', () => {
  const root = join(import.meta.dirname, '../../fixtures', 'processes');

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
