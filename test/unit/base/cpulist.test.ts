import { describe, expect, it } from 'vitest';
import { parseCpuList } from '../../../src/base/machine/cpulist.ts';

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
