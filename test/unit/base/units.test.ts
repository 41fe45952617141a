import { describe, expect, it } from 'vitest';
import { formatBytes, GIB, MIB, parsePercent, parseSize } from '../../../src/base/units.ts';

describe('parseSize', () => {
  it.each([
    ['1024', 1024],
    ['1k', 1024],
    ['512MiB', 512 * MIB],
    ['512 mb', 512 * MIB],
    ['1.5G', 1.5 * GIB],
    ['2 GiB', 2 * GIB],
    ['1T', 1024 * GIB],
  ])('%s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each(['', 'x', '-1', '1e9', '1,5G', '5%', 'GiB', '1GG', '0x10', '99999999T'])('refuses %j', (text) =>
    expect(parseSize(text)).toBeUndefined(),
  );
});

describe('parsePercent', () => {
  it.each([
    ['50%', 0.5],
    ['100 %', 1],
    ['12.5%', 0.125],
  ])('%s', (text, share) => expect(parsePercent(text)).toBe(share));

  it.each(['0%', '101%', '50', '-5%', '%'])('refuses %j', (text) =>
    expect(parsePercent(text)).toBeUndefined(),
  );
});

describe('formatBytes', () => {
  it.each([
    [600 * MIB, '600 MiB'],
    [1536 * MIB, '1,536 MiB'],
    [9216.4 * MIB, '9,216 MiB'],
    [16 * GIB, '16 GiB'],
    [21.25 * GIB, '21.3 GiB'],
  ])('%d', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});
