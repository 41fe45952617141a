import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mergeOptions, readRemembered, writeRemembered } from '../../../src/setup/up/remembered.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('what up remembers', () => {
  it('holds until something else is said', () => {
    const before = mergeOptions({}, { port: 3000, workers: 4 }, '/here');
    expect(mergeOptions(before, { workers: 'auto' }, '/here')).toEqual({ port: 3000, workers: 'auto' });
    expect(mergeOptions(before, { workers: '1..4' }, '/here')).toEqual({ port: 3000, workers: '1..4' });
    const watched = mergeOptions({}, { metrics: 9464 }, '/here');
    expect(mergeOptions(watched, {}, '/here')).toEqual({ metrics: 9464 });
    expect(mergeOptions(watched, { metrics: 'off' }, '/here')).toEqual({ metrics: 'off' });
  });

  it('means the same from every folder', () => {
    const said = mergeOptions({}, { envFile: 'a.env', python: './venv', preset: 'my.yaml' }, '/here');
    expect(said).toEqual({ envFile: '/here/a.env', python: '/here/venv', preset: '/here/my.yaml' });
    expect(mergeOptions({}, { python: 'python3.11', preset: 'small' }, '/here')).toEqual({
      python: 'python3.11',
      preset: 'small',
    });
  });

  it('comes back as it was; what is no such file is left', () => {
    const path = join(temporaryFolder(), 'a', 'up.json');
    const kept = {
      options: { port: 1, metrics: 'off' as const },
      planned: { fingerprint: 'x', workers: 2, content: 'y' },
      started: 'x',
    };
    writeRemembered(path, kept);
    expect(readRemembered(path)).toEqual(kept);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const broken = join(temporaryFolder({ 'up.json': '{' }), 'up.json');
    expect(() => readRemembered(broken)).toThrow('is not what webui-tune up keeps there');
    expect(readFileSync(broken, 'utf8')).toBe('{');
  });
});
