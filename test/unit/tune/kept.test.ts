import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MIB } from '../../../src/base/units.ts';
import {
  keepMeasurement,
  measurementsFolder,
  readMeasurements,
} from '../../../src/tune/measurements/kept.ts';
import { CONDITIONS, MEASUREMENT } from '../../kit/measurement.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('a kept measurement', () => {
  it('is read as it was written, in a file of its conditions', () => {
    const folder = join(temporaryFolder(), 'measurements');
    const path = keepMeasurement(folder, MEASUREMENT);
    expect(path).toMatch(/\/0\.12\.4-python3\.11\.7-[0-9a-f]{8}\.json$/);
    expect(readMeasurements(folder)).toEqual({ kept: [MEASUREMENT], problems: [] });
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('takes the place of the former one of the same conditions, and of no other', () => {
    const folder = join(temporaryFolder(), 'measurements');
    keepMeasurement(folder, MEASUREMENT);
    keepMeasurement(folder, { ...MEASUREMENT, base: 500 * MIB });
    for (const change of [
      { openWebui: '0.12.5' },
      { python: '3.12.1' },
      { preset: 'small' },
      { level: 'full' as const },
      { embedsLocally: true },
      { settings: 'other' },
    ]) {
      keepMeasurement(folder, { ...MEASUREMENT, conditions: { ...CONDITIONS, ...change } });
    }
    const { kept } = readMeasurements(folder);
    expect(kept).toHaveLength(7);
    expect(kept.filter(({ base }) => base === 500 * MIB)).toHaveLength(1);
  });

  it.each([
    ['no JSON', '{'],
    ['something else', '{"workers": 2}'],
    ['a memory of nothing', JSON.stringify({ ...MEASUREMENT, worker: 0 })],
    ['a memory of no number', JSON.stringify({ ...MEASUREMENT, base: null })],
    [
      'a level that there is not',
      JSON.stringify({ ...MEASUREMENT, conditions: { ...CONDITIONS, level: 'x' } }),
    ],
  ])('that is %s is named, ignored and left alone', (_, text) => {
    const folder = temporaryFolder({ 'broken.json': text });
    keepMeasurement(folder, MEASUREMENT);
    const { kept, problems } = readMeasurements(folder);
    expect(kept).toEqual([MEASUREMENT]);
    expect(problems).toEqual([
      `${folder}/broken.json is not used: webui-tune measure did not write it; webui-tune measure makes a new one`,
    ]);
    expect(readFileSync(join(folder, 'broken.json'), 'utf8')).toBe(text);
  });

  it('that is a folder is named too, and other files are not looked at', () => {
    const folder = temporaryFolder({ lock: '1', '.hidden.json': '{', 'notes.txt': '' });
    mkdirSync(join(folder, 'folder.json'));
    expect(readMeasurements(folder)).toEqual({
      kept: [],
      problems: [`${folder}/folder.json is not used: EISDIR; webui-tune measure makes a new one`],
    });
  });

  it('is nowhere where nothing was measured', () => {
    expect(readMeasurements('/nonexistent/measurements')).toEqual({ kept: [], problems: [] });
    expect(measurementsFolder({}, '/home/u')).toBe('/home/u/.local/share/webui-tune/measurements');
  });

  it('is written whole or not at all', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'measurements'), '');
    expect(() => keepMeasurement(join(folder, 'measurements'), MEASUREMENT)).toThrow(
      /cannot be saved in .*EEXIST/,
    );
  });
});
