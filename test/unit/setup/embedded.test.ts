import { chmodSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { initdbEnvironment } from '../../../src/setup/embedded/postgres.ts';
import { letOthersRead } from '../../../src/setup/python/pip.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('what another account runs', () => {
  it('may be read and entered by it, whatever the umask was', () => {
    const folder = temporaryFolder({ 'a/text': '', 'x a/program': '' });
    for (const [path, mode] of [
      ['a/text', 0o640],
      ['a/program', 0o750],
      ['a', 0o750],
      ['.', 0o700],
    ] as const) {
      chmodSync(join(folder, path), mode);
    }
    letOthersRead(folder);
    const modes = ['a/text', 'a/program', 'a', '.'].map((path) => statSync(join(folder, path)).mode & 0o777);
    expect(modes).toEqual([0o644, 0o755, 0o755, 0o755]);
  });

  it('gets nothing of root’s environment but where programs are', () => {
    const env = { PATH: '/bin', TZ: 'Asia/Tokyo', OPENAI_API_KEY: 'secret', HOME: '/root', LD_PRELOAD: 'x' };
    expect(initdbEnvironment(env)).toEqual({ PATH: '/bin', TZ: 'Asia/Tokyo', LC_ALL: 'C' });
    expect(initdbEnvironment({})).toEqual({ LC_ALL: 'C' });
  });
});
