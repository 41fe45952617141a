import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Scope } from '../../../src/base/io/scope.ts';
import { makeScratchFolder } from '../../../src/bench/scratch/folder.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('the scratch folder', () => {
  /** The system's folder for temporary files is one of ours meanwhile. */
  async function inTemporary<T>(run: (folder: string) => Promise<T>): Promise<T> {
    const former = process.env.TMPDIR;
    process.env.TMPDIR = temporaryFolder();
    try {
      return await run(process.env.TMPDIR);
    } finally {
      if (former === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = former;
    }
  }

  it('ends with its scope, and with it what was started with its environment', async () => {
    await inTemporary(async (parent) => {
      const scope = new Scope();
      const folder = await makeScratchFolder(scope);
      expect(readdirSync(parent)).toHaveLength(1);
      const child = spawn('sleep', ['60'], {
        env: { PATH: process.env.PATH, ...folder.env },
        detached: true,
      });
      const ended = new Promise((resolve) => child.once('exit', (_, by) => resolve(by)));
      await new Promise((resolve) => child.once('spawn', resolve));
      await scope.close();
      expect(await ended).toBe('SIGKILL');
      expect(readdirSync(parent)).toEqual([]);
    });
  });

  it('of an owner that is dead is swept by the next one; that of a living one is not', async () => {
    await inTemporary(async (parent) => {
      const first = new Scope();
      const living = await makeScratchFolder(first);
      const abandoned = join(parent, 'webui-tune-scratch-dead');
      mkdirSync(abandoned);
      writeFileSync(join(abandoned, 'owner.json'), JSON.stringify({ pid: process.pid, startTime: '1' }));
      const child = spawn('sleep', ['60'], { env: { PATH: process.env.PATH, TMPDIR: abandoned } });
      const ended = new Promise((resolve) => child.once('exit', (_, by) => resolve(by)));
      await new Promise((resolve) => child.once('spawn', resolve));
      const second = new Scope();
      const { path } = await makeScratchFolder(second);
      expect(await ended).toBe('SIGKILL');
      expect(readdirSync(parent).sort()).toEqual([living.path, path].map((each) => basename(each)).sort());
      await second.close();
      await first.close();
    });
  });
});
