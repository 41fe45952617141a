import { describe, expect, it } from 'vitest';
import { licencesOf } from '../../../scripts/licences.mjs';

describe('the licences of what is bundled', () => {
  const metafile = {
    inputs: { 'src/cli.ts': {}, 'node_modules/yaml/dist/index.js': {}, 'node_modules/yaml/dist/log.js': {} },
  };

  it('name each package once, with its text', () => {
    const text = licencesOf([metafile, metafile]);
    expect(text.match(/^yaml \d+\.\d+\.\d+ \(ISC\)$/gm)).toHaveLength(1);
    expect(text).toContain('Permission to use, copy, modify, and/or distribute this software');
    expect(text).not.toContain('cli.ts');
  });
});
