import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, vi } from 'vitest';
import { EXIT } from '../../../src/base/errors.ts';
import { holdLock, withLock } from '../../../src/base/io/lock.ts';
import { ROOT } from '../../kit/environment.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

/** Of the lock before it looked twice, some round in seven had two holders. */
const [CONTENDERS, ROUNDS] = [6, 120];

describe('withLock', () => {
  it('takes over the lock of a process that is dead', async () => {
    const path = join(temporaryFolder(), 'lock');
    const dead = spawn('true');
    await new Promise((resolve) => dead.on('close', resolve));
    writeFileSync(path, String(dead.pid));
    expect(await withLock(path, () => 'done')).toBe('done');
  });

  it('waits for one that is alive', async () => {
    const path = join(temporaryFolder(), 'lock');
    const order: string[] = [];
    writeFileSync(path, String(process.pid));
    const waiting = withLock(path, () => order.push('second'));
    await new Promise((resolve) => setTimeout(resolve, 60));
    order.push('first');
    execFileSync('rm', [path]);
    await waiting;
    expect(order).toEqual(['first', 'second']);
  });

  it('waits for as long where the clock is set forward by an hour', async () => {
    const path = join(temporaryFolder(), 'lock');
    writeFileSync(path, String(process.pid));
    const clock = vi.spyOn(Date, 'now');
    try {
      const waiting = withLock(path, () => 'done');
      clock.mockReturnValue(Date.now() + 3_600_000);
      await new Promise((resolve) => setTimeout(resolve, 60));
      execFileSync('rm', [path]);
      expect(await waiting).toBe('done');
    } finally {
      clock.mockRestore();
    }
  });

  it('says plainly who holds it, at once where the work takes long', async () => {
    const path = join(temporaryFolder(), 'lock');
    const second = holdLock(path, 'somebody upgrades', async () => {
      await expect(holdLock(path, 'somebody upgrades', async () => 'never')).rejects.toMatchObject({
        name: 'TuneError',
        message: `somebody upgrades (process ${process.pid})`,
        exitCode: EXIT.service,
      });
      return 'done';
    });
    expect(await second).toBe('done');
    expect(existsSync(path)).toBe(false);
  });

  it('says so where no lock can be made', async () => {
    const path = join(temporaryFolder(), 'missing', 'lock');
    await expect(withLock(path, () => 'never')).rejects.toThrow(`${path} cannot be written: ENOENT`);
  });

  it('takes over an empty lock, which nobody can hold for long, but not at once', async () => {
    const path = join(temporaryFolder({ lock: '' }), 'lock');
    await expect(holdLock(path, 'busy', async () => 'never')).rejects.toThrow('busy');
    const before = Date.now() / 1000 - 60;
    utimesSync(path, before, before);
    expect(await holdLock(path, 'busy', async () => 'done')).toBe('done');
  });

  it('takes over the lock of a process whose number another one has by now', async () => {
    const path = join(temporaryFolder({ lock: `${process.pid} 1` }), 'lock');
    expect(await holdLock(path, 'busy', async () => 'done')).toBe('done');
  });

  it('leaves no lock behind that it could not write', async () => {
    const folder = temporaryFolder();
    const write = vi.spyOn(fs, 'writeFileSync').mockImplementationOnce(() => {
      throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    });
    // For those who have imported it by its name.
    syncBuiltinESMExports();
    try {
      await expect(withLock(join(folder, 'lock'), () => 'never')).rejects.toThrow(
        'lock cannot be written: ENOSPC',
      );
    } finally {
      write.mockRestore();
      syncBuiltinESMExports();
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  it('has one holder, however many find a lock that is abandoned', { timeout: 60_000 }, async () => {
    const path = join(temporaryFolder(), 'lock');
    const script = join(ROOT, 'test/kit/lock-contender.ts');
    const contenders = Array.from({ length: CONTENDERS }, () => {
      const child = spawn(process.execPath, ['--import', 'tsx', script, path], {
        cwd: ROOT,
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
    });
    try {
      const dead = spawn('true');
      await once(dead, 'close');
      const found: string[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        writeFileSync(path, String(dead.pid));
        for (const { child } of contenders) child.stdin.write('\n');
        const answers = await Promise.all(contenders.map(({ lines }) => lines.next()));
        const words = answers.map(({ value }) => String(value));
        expect(words).toContain('alone');
        found.push(...words.filter((word) => word !== 'alone' && word !== 'held'));
      }
      expect(found).toEqual([]);
      expect(readdirSync(dirname(path))).toEqual([]);
    } finally {
      for (const { child } of contenders) child.stdin.end();
      await Promise.all(contenders.map(({ child }) => child.exitCode ?? once(child, 'exit')));
    }
  });
});
