import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isModuleFolder } from '../../../src/base/io/module-type.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

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
