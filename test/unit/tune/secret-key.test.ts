import { describe, expect, it } from 'vitest';
import { chooseSecretKey } from '../../../src/tune/secrets/secret-key.ts';
import { settingsOf } from '../../kit/settings-of.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('chooseSecretKey', () => {
  it('draws nothing where there is one', () =>
    expect(chooseSecretKey(settingsOf({ WEBUI_SECRET_KEY: 'x' }), [])).toBeUndefined());

  it('adopts the key that Open WebUI has drawn, to the letter', () => {
    const folder = temporaryFolder({ '.webui_secret_key': 'abc=\n' });
    expect(chooseSecretKey(settingsOf({}), ['/nowhere', folder])?.value).toBe('abc=\n');
  });

  it('draws nothing that an empty one would hide', () => {
    expect(() => chooseSecretKey(settingsOf({ WEBUI_SECRET_KEY: '' }, 'env file'), [])).toThrow(
      'empty (env file)',
    );
    const open = settingsOf({ WEBUI_SECRET_KEY: '', WEBUI_AUTH: 'False' });
    expect(() => chooseSecretKey(open, [])).not.toThrow();
  });

  it('adopts its older name', () =>
    expect(chooseSecretKey(settingsOf({ WEBUI_JWT_SECRET_KEY: 'old' }), [])?.value).toBe('old'));

  it('draws one that nobody guesses', () => {
    const keys = [chooseSecretKey(settingsOf({}), []), chooseSecretKey(settingsOf({}), [])];
    expect(keys[0]?.value).toMatch(/^[\w-]{43}$/);
    expect(keys[0]?.value).not.toBe(keys[1]?.value);
  });
});
