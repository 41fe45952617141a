import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { controlSocket, dataHome } from '../src/base/io/folders.ts';
import { isModuleFolder } from '../src/base/io/module-type.ts';
import { packageRoot, packageVersion, shippedFile } from '../src/base/io/package.ts';
import { writeAtomically } from '../src/base/io/write.ts';
import { HEADER } from '../src/render/first-lines.ts';
import { isThrowAway, keepRuntime, pathByContent } from '../src/runtime/folder.ts';
import { checkOutput, writeOutput } from '../src/tune/output.ts';
import { temporaryFolder } from './temporary.ts';

describe('writeAtomically', () => {
  it('writes the whole file, with its mode', () => {
    const path = join(temporaryFolder({ f: 'old' }), 'f');
    writeAtomically(path, 'new', 0o640);
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it('leaves nothing behind when it fails', () => {
    const folder = temporaryFolder({ 'd/x': '' });
    expect(() => writeAtomically(join(folder, 'd'), 'text', 0o644)).toThrow();
    expect(readdirSync(folder)).toEqual(['d']);
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

describe('the runtime folder', () => {
  it.each([
    ['/home/u/.npm/_npx/1a2b/node_modules/webui-tune', true],
    ['/home/u/.cache/pnpm/dlx-123/node_modules/webui-tune', true],
    ['/usr/lib/node_modules/webui-tune', false],
    ['/home/u/project/node_modules/webui-tune', false],
  ])('%s', (folder, expected) => expect(isThrowAway(folder)).toBe(expected));

  it('is copied once for each content', () => {
    const folder = temporaryFolder({ 'source/worker.cjs': 'a', 'source/preload/preload.py': 'b' });
    const source = join(folder, 'source');
    const parent = join(folder, 'data', 'runtime');
    const first = pathByContent(source, parent, '1.0.0');
    expect(existsSync(parent)).toBe(false);
    expect(keepRuntime(first)).toBe(true);
    expect(first.path).toMatch(/\/1\.0\.0-[0-9a-f]{8}$/);
    expect(readFileSync(join(first.path, 'preload/preload.py'), 'utf8')).toBe('b');
    expect(pathByContent(source, parent, '1.0.0')).toEqual(first);
    expect(keepRuntime(first)).toBe(false);

    writeFileSync(join(source, 'worker.cjs'), 'changed');
    const second = pathByContent(source, parent, '1.0.0');
    expect(keepRuntime(second)).toBe(true);
    expect(second.path).not.toBe(first.path);
    expect(readFileSync(join(first.path, 'worker.cjs'), 'utf8')).toBe('a');
    expect(readdirSync(parent)).toHaveLength(2);
  });

  it('is the same with and without the caches that Python leaves', () => {
    const folder = temporaryFolder({ 'source/preload/preload.py': 'b' });
    const source = join(folder, 'source');
    const { path } = pathByContent(source, join(folder, 'data'), '1');
    mkdirSync(join(source, 'preload/__pycache__'));
    writeFileSync(join(source, 'preload/__pycache__/preload.pyc'), 'x');
    expect(pathByContent(source, join(folder, 'data'), '1').path).toBe(path);
  });
});

describe('folders', () => {
  it('respects XDG_DATA_HOME', () => {
    expect(dataHome({ XDG_DATA_HOME: '/x' }, '/home/u')).toBe('/x/webui-tune');
    expect(dataHome({ XDG_DATA_HOME: 'x' }, '/home/u')).toBe('/home/u/.local/share/webui-tune');
    expect(dataHome({}, '/home/u')).toBe('/home/u/.local/share/webui-tune');
  });

  it('has one socket for each data folder, short enough for the kernel', () => {
    const socket = controlSocket('/data', {}, '/home/u');
    expect(socket).toMatch(/^\/home\/u\/\.local\/share\/webui-tune\/run\/[0-9a-f]{8}\/control\.sock$/);
    expect(controlSocket('/data2', {}, '/home/u')).not.toBe(socket);
    const long = controlSocket('/data', {}, `/home/${'ü'.repeat(40)}`);
    expect(Buffer.byteLength(long)).toBeLessThanOrEqual(100);
    expect(long).toMatch(/webui-tune-\d+-[0-9a-f]{8}\/control\.sock$/);
  });
});

describe('isModuleFolder', () => {
  it.each([
    ['{"type":"module"}', true],
    ['{"type":"commonjs"}', false],
    ['{}', false],
    ['not JSON', false],
  ])('%s', (text, expected) => {
    const folder = temporaryFolder({ 'package.json': text, 'a/b/c': '' });
    expect(isModuleFolder(join(folder, 'a/b'))).toBe(expected);
  });
});

describe('the package', () => {
  it('finds its own files', () => {
    expect(existsSync(join(packageRoot(), 'presets/default.yaml'))).toBe(true);
    expect(existsSync(shippedFile('probe.py', 'openwebui/probe.py'))).toBe(true);
    expect(packageVersion()).toMatch(/^\d+\.\d+\.\d+/);
  });
});
