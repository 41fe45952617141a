import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chooseSecretsToKeep } from '../../../src/tune/secrets/keep.ts';
import { settingsOf } from '../../kit/settings-of.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('chooseSecretsToKeep', () => {
  it('tells of a key file that others can read', () => {
    const folder = temporaryFolder({ '.webui_secret_key': 'key' });
    const path = join(folder, '.webui_secret_key');
    const warnings = () => chooseSecretsToKeep(settingsOf({}), {}, [folder], '/secrets').warnings;
    chmodSync(path, 0o644);
    expect(warnings()).toEqual([expect.stringContaining(`chmod 600 ${path}`)]);
    chmodSync(path, 0o600);
    expect(warnings()).toEqual([]);
  });

  const secret = (value: string, source: 'environment' | 'env file') => ({ value, source, secret: true });

  it('keeps what only the shell has, and names it without its value', () => {
    const settings = new Map([
      ['DATABASE_URL', secret('postgresql://u:hunter2@h/n', 'environment')],
      ['OPENAI_API_KEY', secret('hunter2', 'env file')],
      ['WEBUI_SECRET_KEY', secret('hunter2', 'env file')],
      ['WEBUI_NAME', { value: 'x', source: 'environment' as const, secret: false }],
    ]);
    const keeping = chooseSecretsToKeep(settings, { OPENAI_API_KEY: 'hunter2' }, [], '/d/f');
    expect([...keeping.settings.keys()]).toEqual(['DATABASE_URL']);
    expect(keeping.once.size).toBe(0);
    expect(keeping.notes.join()).toContain('DATABASE_URL');
    expect(keeping.notes.join()).not.toContain('hunter2');
  });

  it('warns where the env file has another value', () => {
    const settings = new Map([['SCIM_TOKEN', secret('hunter2', 'environment')]]);
    const { settings: kept, warnings } = chooseSecretsToKeep(settings, { SCIM_TOKEN: 'hunter3' }, [], '/d/f');
    expect(kept.size).toBe(0);
    expect(warnings.join()).toContain('SCIM_TOKEN');
    expect(warnings.join()).not.toContain('hunter');
  });
});
