import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { PM2_VERSION } from '../../../src/render/pm2-version.ts';

describe('PM2_VERSION', () => {
  it('is the one that everything is tested with', () => {
    const path = createRequire(import.meta.url).resolve('pm2/package.json');
    expect(JSON.parse(readFileSync(path, 'utf8')).version).toBe(PM2_VERSION);
  });
});
