/** Durations are measured by a clock that nobody sets: Date.now() goes back, or an hour forward, where the machine's is set. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../../kit/environment.ts';

/** What counts with moments, and why. */
const MOMENTS: Readonly<Record<string, string>> = {
  'base/io/lock.ts': 'compares with the time of a file',
  'runtime/scale/manager-pm2.ts': 'compares with the moment that PM2 has written',
  'setup/migrate/files.ts': 'compares with the time of a file',
  'setup/migrate/job.ts': 'the outage, which two runs may share',
};

const COUNTED = /Date\.now\(\)\)?\s*[-+<>]|[-<>]\s*Date\.now\(\)/;

it.each<[string, boolean]>([
  ['performance.now() - began', false],
  ['const at = Date.now();', false],
  ['(now = Date.now()) => x', false],
  ['const deadline = Date.now() + 5;', true],
  ['if (Date.now() > deadline)', true],
  ['end - Date.now()', true],
])('whether %s counts with it: %s', (line, counts) => {
  expect(COUNTED.test(line)).toBe(counts);
});

it('no source counts with Date.now(), but where it has to', () => {
  const names = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
  const counting = names
    .filter((name) => name.endsWith('.ts') && !name.startsWith('bench'))
    .filter((name) => COUNTED.test(readFileSync(join(ROOT, 'src', name), 'utf8')));
  expect(counting.sort()).toEqual(Object.keys(MOMENTS).sort());
});
