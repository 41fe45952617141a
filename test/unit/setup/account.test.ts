import { describe, expect, it } from 'vitest';
import { findAccount } from '../../../src/setup/embedded/account.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('the account', () => {
  const files = {
    'etc/passwd': 'root:x:0:0::/root:/bin/sh\nu:x:12:34::/nonexistent:/bin/false\nlost:x:13:99::/:/bin/sh\n',
    'etc/group': 'root:x:0:\ng:x:34:\n',
  };

  it('is found with its group', () => {
    const folder = `${temporaryFolder(files)}/`;
    expect(findAccount('u', folder)).toEqual({ user: 'u', group: 'g', uid: 12, gid: 34 });
    expect(findAccount('nobody', folder)).toBeUndefined();
  });

  it('is not root, and has a group', () => {
    const folder = `${temporaryFolder(files)}/`;
    expect(() => findAccount('root', folder)).toThrow('ordinary user');
    expect(() => findAccount('lost', folder)).toThrow('not in /etc/group');
  });
});
