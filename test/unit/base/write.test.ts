import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makePrivateFolder, removeEmptyFolders, writeAtomically } from '../../../src/base/io/write.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('writeAtomically', () => {
  it('writes the whole file, with its mode', () => {
    const path = join(temporaryFolder({ f: 'old' }), 'f');
    writeAtomically(path, 'new', 0o640);
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it('leaves nothing behind when it fails', () => {
    const folder = temporaryFolder({ 'd/x': '' });
    expect(() => writeAtomically(join(folder, 'd'), 'text', 0o644)).toThrow();
    expect(readdirSync(folder)).toEqual(['d']);
  });
});

describe('folders that were made for work which left nothing in them', () => {
  it('are removed, and no other', () => {
    const there = temporaryFolder();
    const path = join(there, 'a', 'b');
    const made = makePrivateFolder(path);
    expect(made).toBe(join(there, 'a'));
    expect(makePrivateFolder(path)).toBeUndefined();
    removeEmptyFolders(path, made ?? '');
    expect(readdirSync(there)).toEqual([]);
  });

  it('stay from the one on that has something', () => {
    const there = temporaryFolder();
    const path = join(there, 'a', 'b');
    makePrivateFolder(path);
    writeFileSync(join(there, 'a', 'file'), '');
    removeEmptyFolders(path, join(there, 'a'));
    expect(readdirSync(join(there, 'a'))).toEqual(['file']);
  });
});
