import { readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { servicePaths } from '../../../src/facts/embedded/folder.ts';
import { readInstalled, writeInstalled } from '../../../src/facts/embedded/installed.ts';
import { keepPasswords } from '../../../src/setup/embedded/passwords.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const INSTALLED = { postgresPort: 55_432, valkeyPort: 56_379 };

describe('what is kept about them', () => {
  it('comes back as it was, for nobody else to read', () => {
    const folder = temporaryFolder();
    expect(readInstalled(folder)).toBeUndefined();
    writeInstalled(folder, { ...INSTALLED, account: { user: 'u', group: 'g' } });
    expect(readInstalled(folder)).toEqual({ ...INSTALLED, account: { user: 'u', group: 'g' } });
    expect(statSync(servicePaths(folder).state).mode & 0o777).toBe(0o600);
  });

  it('is refused where it was damaged, and left', () => {
    const folder = temporaryFolder({ 'services.json': '{"postgresPort": "x"', 'passwords.json': '{}' });
    expect(() => readInstalled(folder)).toThrow('does not say how');
    expect(() => keepPasswords(servicePaths(folder).passwords)).toThrow('does not hold the passwords');
    expect(readFileSync(servicePaths(folder).passwords, 'utf8')).toBe('{}');
  });

  it('has passwords that are drawn once', () => {
    const { passwords: path } = servicePaths(temporaryFolder());
    const drawn = keepPasswords(path);
    expect(new Set(Object.values(drawn)).size).toBe(3);
    expect(keepPasswords(path)).toEqual(drawn);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});
