import { chmodSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isOpenToOthers, keepSecrets, makePrivate } from '../../../src/tune/secrets/secrets-file.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('keepSecrets', () => {
  const none = new Map<string, string>();
  const mode = (path: string) => statSync(path).mode & 0o777;

  it('makes a private file in a private folder', async () => {
    const folder = join(temporaryFolder(), 'data');
    const path = join(folder, '.webui-tune.env');
    const written = await keepSecrets(path, { settings: new Map([['A', 'x']]), once: new Map([['K', 'y']]) });
    expect(written).toEqual(['A', 'K']);
    expect(readFileSync(path, 'utf8')).toMatch(/^#.*\nA="x"\nK="y"\n$/s);
    expect([mode(path), mode(folder)]).toEqual([0o600, 0o700]);
  });

  it('never replaces what was drawn once', async () => {
    const path = join(temporaryFolder(), 'f');
    await keepSecrets(path, { settings: none, once: new Map([['K', 'first']]) });
    expect(await keepSecrets(path, { settings: none, once: new Map([['K', 'second']]) })).toEqual([]);
    expect(readFileSync(path, 'utf8')).toContain('K="first"');
    expect(readFileSync(path, 'utf8')).not.toContain('second');
  });

  it('replaces a changed setting and leaves the other lines alone', async () => {
    const path = join(temporaryFolder({ f: '# mine\nA="old"\nAB="x"\nB=y' }), 'f');
    await keepSecrets(path, { settings: new Map([['A', 'new']]), once: none });
    expect(readFileSync(path, 'utf8')).toBe('# mine\nAB="x"\nB=y\nA="new"\n');
  });

  it('does not touch a file that has it all', async () => {
    const path = join(temporaryFolder({ f: 'A="x"\n' }), 'f');
    const before = statSync(path).ino;
    expect(await keepSecrets(path, { settings: new Map([['A', 'x']]), once: none })).toEqual([]);
    expect(statSync(path).ino).toBe(before);
  });

  it('lets any number of runs at once agree on one key', async () => {
    const path = join(temporaryFolder(), 'f');
    const keys = Array.from({ length: 20 }, (_, index) => `key${index}`);
    const results = await Promise.all(
      keys.map((key) => keepSecrets(path, { settings: none, once: new Map([['K', key]]) })),
    );
    expect(results.filter((names) => names.length > 0)).toHaveLength(1);
    expect(readFileSync(path, 'utf8').match(/^K=/gm)).toHaveLength(1);
  });

  it('says where it failed, and not what with', async () => {
    const path = join(temporaryFolder({ file: '' }), 'file', 'f');
    const failure = keepSecrets(path, { settings: new Map([['A', 'hunter2']]), once: none });
    await expect(failure).rejects.toThrow(path);
    await expect(failure).rejects.not.toThrow('hunter2');
  });

  it('takes the rights of others away', () => {
    const path = join(temporaryFolder({ f: '' }), 'f');
    chmodSync(path, 0o644);
    expect(isOpenToOthers(path)).toBe(true);
    expect(makePrivate(path)).toBe(true);
    expect(mode(path)).toBe(0o600);
    expect(makePrivate(path)).toBe(false);
    expect(isOpenToOthers(join(path, 'missing'))).toBe(false);
  });
});
