import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  areInstalled,
  PACKAGES,
  programsIn,
  requirementsText,
} from '../../../src/facts/embedded/packages.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('the packages', () => {
  it('are pinned, each wheel by its hash', () => {
    const lines = requirementsText().split('\n').filter(Boolean);
    expect(lines.filter((line) => /^[a-z-]+==[\w.]+ \\$/.test(line))).toHaveLength(PACKAGES.length);
    expect(lines.filter((line) => /^ {4}--hash=sha256:[0-9a-f]{64}(?: \\)?$/.test(line))).toHaveLength(12);
  });

  it('have their programs where the wheels of each platform have them', () => {
    const valkey = (platform: string, architecture: string) =>
      programsIn('/p', platform, architecture).valkey.split('/').at(-2);
    expect(valkey('linux', 'x64')).toBe('linux-x86_64');
    expect(valkey('linux', 'arm64')).toBe('linux-aarch64');
    expect(valkey('darwin', 'arm64')).toBe('darwin-arm64');
    expect(valkey('darwin', 'x64')).toBe('darwin-x86_64');
  });

  it('are not installed where one program is missing', () => {
    const folder = temporaryFolder();
    const { postgres, valkey } = programsIn(folder);
    const files = ['initdb', 'postgres', 'pg_dump', 'pg_restore'].map((name) => join(postgres, name));
    for (const path of [valkey, ...files]) {
      expect(areInstalled(programsIn(folder))).toBe(false);
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, '');
    }
    expect(areInstalled(programsIn(folder))).toBe(true);
  });
});
