import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { servicesFolder } from '../../../src/facts/embedded/folder.ts';
import { makeServicesFolder } from '../../../src/setup/embedded/make-folder.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('the folder of the services', () => {
  it('is in the data folder, but for root outside of its home', () => {
    expect(servicesFolder({}, '/home/u', false)).toBe('/home/u/.local/share/webui-tune/services');
    expect(servicesFolder({}, '/root', true)).toMatch(/^\/var\/lib\/webui-tune\/[0-9a-f]{8}$/);
    expect(servicesFolder({ XDG_DATA_HOME: '/srv' }, '/root', true)).toBe('/srv/webui-tune/services');
  });

  it('is entered by its user alone', () => {
    const folder = join(temporaryFolder(), 'a', 'services');
    makeServicesFolder(folder, false);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  it('says which folder keeps the account out', () => {
    const parent = temporaryFolder(); // 0700, as mkdtemp makes it
    expect(() => makeServicesFolder(join(parent, 'a', 'services'), true)).toThrow(`cannot enter ${parent}`);
  });
});
