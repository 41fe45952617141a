import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findPm2 } from '../../../src/setup/pm2/program.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

/** A PM2 as npm installs it globally, with its folder of commands. */
function installed(version: string): { PATH: string; program: string } {
  const folder = temporaryFolder({
    'lib/pm2/package.json': JSON.stringify({ name: 'pm2', version }),
    'x lib/pm2/bin/pm2': '',
  });
  const bin = join(folder, 'lib', 'pm2', 'bin');
  return { PATH: bin, program: join(bin, 'pm2') };
}

describe('findPm2', () => {
  it('takes the one that is installed globally', () => {
    const { PATH, program } = installed('7.1.0');
    expect(findPm2({ PATH }, '/home')).toMatchObject({ path: program, version: '7.1.0' });
  });

  it('takes its own where that is too old, and says so', () => {
    const { PATH, program } = installed('5.4.3');
    const found = findPm2({ PATH }, '/home');
    expect(found.path).not.toBe(program);
    expect(existsSync(found.path)).toBe(true);
    expect(found.where).toContain('is PM2 5.4.3, and 7 is needed');
  });

  it('takes its own where there is none, or only the one of an npm script', () => {
    const scripts = join(temporaryFolder({ 'x node_modules/.bin/pm2': '' }), 'node_modules', '.bin');
    for (const PATH of [scripts, '']) expect(findPm2({ PATH }, '/home').where).toBe('the package’s own');
  });
});
