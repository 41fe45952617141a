import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MIB } from '../../../src/base/units.ts';
import { OBSERVED } from '../../../src/runtime/contract.ts';
import { processName } from '../../../src/runtime/supervisor/history.ts';
import { readMemory } from '../../../src/runtime/supervisor/memory.ts';
import { type Look, type ObservedInstance, Observer } from '../../../src/runtime/supervisor/observer.ts';
import { recordName } from '../../../src/runtime/supervisor/report.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('a supervisor', () => {
  const LOOK: Look = { pid: 7, generation: 'abcd', memory: 60, firstMemory: 50, limit: 1024, requests: 0 };

  /** With a preload process that is a child of ours, and this process in the place of a supervisor and its worker. */
  async function observing() {
    const child = spawn(process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1000)'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    // While it starts, it grows from one look to the next.
    await once(child.stdout, 'data');
    const folder = temporaryFolder({ 'preload.lock': String(child.pid) });
    const serving = { worker: process.pid, supervisor: processName(process.pid) };
    writeFileSync(join(folder, recordName('0')), JSON.stringify({ serving }));
    writeFileSync(
      join(folder, recordName('1')),
      JSON.stringify({ serving: { worker: 1, supervisor: '4194305 1' } }),
    );
    const observer = new Observer(folder, '0', (reason) => expect.unreachable(reason));
    const kept = (): ObservedInstance =>
      JSON.parse(readFileSync(join(folder, OBSERVED.instance('0')), 'utf8')) as ObservedInstance;
    return { folder, observer, kept, child };
  }

  it('keeps the largest worker that has served, and what is shared beside it', async () => {
    const { observer, kept, child } = await observing();
    try {
      observer.look(LOOK);
      expect(kept()).toMatchObject({ generation: 'abcd', idle: 60 * MIB });
      expect(kept().worker).toBeUndefined();
      for (const [memory, requests] of [
        [80, 100],
        [120, 500],
        [90, 900],
      ] as const)
        observer.look({ ...LOOK, memory, requests });
      expect(kept().worker).toBe(120 * MIB);
      const own = readMemory(process.pid);
      const preload = readMemory(child.pid ?? 0);
      const alone = (preload?.resident ?? 0) + (own?.proportional ?? 0) - (own?.private ?? 0);
      // Both grow and shrink a little from one look to the next.
      expect(kept().base / MIB).toBeGreaterThan(0.8 * alone);
      expect(kept().base / MIB).toBeLessThan(1.5 * alone);
      observer.look({ ...LOOK, pid: 8, memory: 70, requests: 500 });
      expect(kept().worker).toBe(120 * MIB);
    } finally {
      child.kill();
    }
  });

  it('forgets a worker that leaks to its limit, and remembers those before it', async () => {
    const { observer, kept, child } = await observing();
    try {
      observer.look({ ...LOOK, memory: 80, requests: 200 });
      for (const memory of [300, 600, 900]) observer.look({ ...LOOK, pid: 8, memory, requests: 300 });
      expect(kept().worker).toBe(80 * MIB);
    } finally {
      child.kill();
    }
  });

  it('counts on after another supervisor of the same start, and anew after another start', async () => {
    const { folder, observer, kept, child } = await observing();
    try {
      observer.look({ ...LOOK, memory: 130, requests: 200 });
      const next = new Observer(folder, '0', (reason) => expect.unreachable(reason));
      next.look({ ...LOOK, pid: 9, memory: 70, requests: 200 });
      expect(kept().worker).toBe(130 * MIB);
      next.look({ ...LOOK, pid: 10, generation: 'next', memory: 70, requests: 200 });
      expect(kept()).toMatchObject({ generation: 'next', worker: 70 * MIB });
    } finally {
      child.kill();
    }
  });

  it('does not stumble over a file of its own that is broken, or a folder that cannot be written', async () => {
    const { folder, observer, kept, child } = await observing();
    try {
      writeFileSync(join(folder, OBSERVED.instance('0')), '{"generation": "ab');
      observer.look(LOOK);
      expect(kept().generation).toBe('abcd');
      let reason = '';
      const lost = new Observer(join(folder, 'preload.lock'), '0', (words) => {
        reason = words;
      });
      lost.look(LOOK); // there is no preload process in a folder that is none
      expect(reason).toBe('');
    } finally {
      child.kill();
    }
  });
});
