import { describe, expect, it } from 'vitest';
import { foldersUpwards } from '../../../src/base/machine/cgroup.ts';

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
