import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot, packageVersion, shippedFile } from '../../../src/base/io/package.ts';

describe('the package', () => {
  it('finds its own files', () => {
    expect(existsSync(join(packageRoot(), 'presets/default.yaml'))).toBe(true);
    expect(existsSync(shippedFile('probe.py', 'openwebui/probe.py'))).toBe(true);
    expect(packageVersion()).toMatch(/^\d+\.\d+\.\d+/);
  });
});
