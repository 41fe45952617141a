import { describe, expect, it } from 'vitest';
import { MemoryLimit, type Verdict } from '../../../src/runtime/supervisor/memory-limit.ts';

const LIMIT = 500;

/** Looks every ten seconds at workers that are beyond the limit at once: how long each lived, and what was said. */
function replaceFor(seconds: number, memory: number): { lives: number[]; complaints: string[] } {
  const limit = new MemoryLimit(LIMIT);
  const lives: number[] = [];
  const complaints: string[] = [];
  for (let now = 0, born = 0; now <= seconds; now += 10) {
    const served = now - born;
    const verdict = limit.judge({ token: String(lives.length), memory, firstMemory: 100, served });
    if (verdict.complaint) complaints.push(verdict.complaint);
    if (verdict.detail === undefined) continue;
    lives.push(served);
    born = now;
  }
  return { lives, complaints };
}

describe('a worker beyond its memory limit', () => {
  const sight = { token: '0', memory: 600, firstMemory: 100, served: 3600 };
  const stays: Verdict = {};

  it('is replaced, once', () => {
    const limit = new MemoryLimit(LIMIT);
    expect(limit.judge({ ...sight, memory: LIMIT })).toEqual(stays);
    expect(limit.judge(sight)).toEqual({ detail: 'its private memory is 600 MiB, its limit 500 MiB' });
    expect(limit.judge(sight)).toEqual(stays);
  });

  it('stays where the limit leaves no room for growth, which is said once', () => {
    const limit = new MemoryLimit(LIMIT);
    const { detail, complaint } = limit.judge({ ...sight, firstMemory: 401 });
    expect(detail).toBeUndefined();
    expect(complaint).toContain('the limit of 500 MiB is too low: a worker starts with 401 MiB');
    expect(limit.judge({ ...sight, firstMemory: 401 })).toEqual(stays);
  });

  it('is replaced ever less often where each is beyond it soon, which is said once', () => {
    const { lives, complaints } = replaceFor(3600, 600);
    expect(lives).toEqual([10, 20, 40, 80, 160, 320, 600, 600, 600, 600]);
    expect(complaints).toHaveLength(1);
    expect(complaints[0]).toContain('soon after their start, the last after 10 s');
  });

  it('is replaced at once where it takes twice as much', () => {
    const { lives } = replaceFor(100, 1000);
    expect(lives).toEqual([0, ...Array(10).fill(10)]);
  });

  it('gets no patience after one that lived long', () => {
    const limit = new MemoryLimit(LIMIT);
    for (const token of ['1', '2', '3']) limit.judge({ ...sight, token, served: 60 });
    expect(limit.judge({ ...sight, token: '4' }).detail).toBeDefined();
    expect(limit.judge({ ...sight, token: '5', served: 10 }).detail).toBeDefined();
  });
});
