import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findEnvFile, valuesOf } from '../../../src/facts/settings/env-file.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('env file', () => {
  it('is looked for beside the output, then here', () => {
    const folder = temporaryFolder({ 'open-webui.env': '', 'out/open-webui.env': '', 'bare/x': '' });
    expect(findEnvFile(undefined, 'out/e.js', folder)).toBe(join(folder, 'out/open-webui.env'));
    expect(findEnvFile(undefined, 'bare/e.js', folder)).toBe(join(folder, 'open-webui.env'));
    expect(findEnvFile(undefined, undefined, join(folder, 'bare'))).toBeUndefined();
    expect(findEnvFile('out/open-webui.env', undefined, folder)).toBe(join(folder, 'out/open-webui.env'));
  });

  it('must be there if it is named', () =>
    expect(() => findEnvFile('x.env', undefined, '/cwd')).toThrow('there is no /cwd/x.env'));

  it('names the line that it cannot read', () => {
    expect(() => valuesOf('/e', { error: 'not of the form NAME=value', line: 7 })).toThrow(
      '/e, line 7: not of',
    );
    expect(() => valuesOf('/e', { error: 'it is not UTF-8' })).toThrow('/e: it is not');
  });
});
