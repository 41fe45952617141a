import { chmodSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/plan/index.ts';
import { HEADER } from '../../../src/render/first-lines.ts';
import { renderAs } from '../../../src/render/formats.ts';
import { checkOutput, writeOutput } from '../../../src/tune/output.ts';
import { inputOf } from '../../kit/inputs.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('checkOutput', () => {
  it('knows a JSON file that it wrote itself', () => {
    const folder = temporaryFolder({
      'ours.json': renderAs('json', makePlan(inputOf())),
      'theirs.json': '{"apps": []}',
    });
    expect(() => checkOutput(join(folder, 'ours.json'), false)).not.toThrow();
    expect(() => checkOutput(join(folder, 'theirs.json'), false)).toThrow('webui-tune did not write');
  });
});

describe('--out', () => {
  const ours = `${HEADER}\nmodule.exports = {};\n`;

  it('replaces a file that we wrote', () => {
    const path = join(temporaryFolder({ f: ours }), 'f');
    checkOutput(path, false);
    writeOutput(path, 'new');
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(statSync(path).mode & 0o777).toBe(0o644);
  });

  it('leaves one alone that we did not, unless forced', () => {
    const path = join(temporaryFolder({ f: 'module.exports = {};' }), 'f');
    expect(() => checkOutput(path, false)).toThrow(
      expect.objectContaining({ exitCode: 6, mend: [expect.stringContaining('--force')] }),
    );
    expect(() => checkOutput(path, true)).not.toThrow();
  });

  it.each([
    ['d', 'it is a folder', true],
    ['missing/f', 'missing does not exist', true],
    ['f/x', 'f is not a folder', true],
    ['f/x/y', 'does not exist', true],
  ])('refuses %s', (name, reason, force) => {
    const folder = temporaryFolder({ f: ours, 'd/x': '' });
    expect(() => checkOutput(join(folder, name), force)).toThrow(reason);
  });

  it('says why it cannot write', () => {
    const folder = temporaryFolder();
    expect(() => writeOutput(join(folder, 'x'.repeat(300)), 'text')).toThrow('the name is too long');
    expect(() => writeOutput(join(folder, 'missing/f'), 'text')).toThrow('the folder does not exist');
  });

  it.runIf(process.getuid?.() !== 0)('says that a folder is read-only', () => {
    const folder = temporaryFolder({ 'd/x': '' });
    chmodSync(join(folder, 'd'), 0o555);
    expect(() => writeOutput(join(folder, 'd/f'), 'text')).toThrow('permission denied');
    chmodSync(join(folder, 'd'), 0o755);
  });
});
