import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { npmWords, wheelsOf } from '../scripts/start.mjs';
import { temporaryFolder } from './temporary.ts';

describe('npm start', () => {
  it('reads --wheels out of its words', () => {
    expect(wheelsOf([])).toBeUndefined();
    expect(wheelsOf(['--yes', '--wheels', '/stick', '--port', '1'])).toBe('/stick');
    expect(wheelsOf(['--wheels=/stick'])).toBe('/stick');
    expect(wheelsOf(['--', '--wheels', '/stick'])).toBeUndefined();
  });

  it('installs npm’s packages from that folder, and asks no registry', () => {
    const wheels = temporaryFolder({
      'npm/_cacache/x': '',
      'webui-tune-wheels.json': '{"registry": "https://registry.example/"}',
    });
    const words = npmWords(wheels);
    expect(words).toEqual(expect.arrayContaining(['ci', '--offline', '--cache', join(wheels, 'npm')]));
    expect(words.slice(-2)).toEqual(['--registry', 'https://registry.example/']);
    expect(npmWords(undefined)).not.toContain('--offline');
  });

  it('says so where the folder has nothing for npm', () => {
    const wheels = temporaryFolder();
    expect(() => npmWords(wheels)).toThrow(`--wheels ${wheels}: it has no folder npm`);
  });
});
