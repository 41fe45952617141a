import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isThrowAway, keepRuntime, pathByContent } from '../../../src/runtime/folder.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

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
