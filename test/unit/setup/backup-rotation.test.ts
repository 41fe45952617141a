/** Which backups are kept, and that no other file is ever deleted. */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MadeBackup } from '../../../src/runtime/backups/state.ts';
import { keptOf, rotate } from '../../../src/setup/backup/rotation.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const at = (...[month, day, hour = 3]: [number, number, number?]) => ({
  at: new Date(2026, month - 1, day, hour, 1).toISOString(),
});

describe('of a daily schedule', () => {
  it('seven days, four weeks and six months are kept after a year', () => {
    const year = Array.from({ length: 365 }, (_, index) => at(1, 1 + index));
    const kept = keptOf(year, false).map((one) => new Date(one.at).toDateString());
    expect(kept).toEqual(
      [
        // Months, by their last day.
        ...['Fri Jul 31', 'Mon Aug 31', 'Wed Sep 30', 'Sat Oct 31', 'Mon Nov 30'],
        // Weeks, by their Saturday.
        ...['Sat Dec 12', 'Sat Dec 19'],
        ...['Fri Dec 25', 'Sat Dec 26', 'Sun Dec 27', 'Mon Dec 28', 'Tue Dec 29', 'Wed Dec 30', 'Thu Dec 31'],
      ].map((day) => `${day} 2026`),
    );
  });

  it('the newest of a day is kept', () => {
    expect(keptOf([at(1, 6, 3), at(1, 6, 9), at(1, 7)], false)).toEqual([at(1, 6, 9), at(1, 7)]);
  });

  it('days without one take no place', () => {
    const rare = [1, 3, 5, 7, 9, 11, 13].map((day) => at(1, day));
    expect(keptOf(rare, false)).toEqual(rare);
  });
});

it('keeps the newest of 24 hours of an hourly schedule', () => {
  const hours = Array.from({ length: 30 }, (_, index) => at(1, 6, index));
  expect(keptOf(hours, true)).toEqual(hours.slice(6));
});

it('always keeps the newest, in any order of any number, and asked again keeps the same', () => {
  const moments = fc.array(fc.date({ min: new Date(2020, 0), max: new Date(2030, 0), noInvalidDate: true }), {
    minLength: 1,
  });
  fc.assert(
    fc.property(moments, fc.boolean(), (dates, hourly) => {
      const made = dates.map((date) => ({ at: date.toISOString() }));
      const kept = keptOf(made, hourly);
      const newest = made
        .map((one) => one.at)
        .sort()
        .at(-1);
      expect(kept.map((one) => one.at)).toContain(newest);
      expect(keptOf(kept, hourly)).toEqual(kept);
    }),
  );
});

describe('rotation', () => {
  function make(folder: string, name: string, moment: { at: string }): MadeBackup {
    const file = join(folder, name);
    writeFileSync(file, 'a backup');
    const { size, mtimeMs } = statSync(file);
    return { file, ...moment, bytes: size, modified: mtimeMs, seconds: 1 };
  }

  it('deletes our own files whose time is over, and no other', () => {
    const folder = temporaryFolder({ 'theirs.tar': 'theirs' });
    const [early, changed, linked, late] = [1, 2, 3, 4].map((hour) =>
      make(folder, `${hour}.tar`, at(1, 6, hour)),
    ) as [MadeBackup, MadeBackup, MadeBackup, MadeBackup];
    appendFileSync(changed.file, 'by somebody');
    rmSync(linked.file);
    symlinkSync(join(folder, 'theirs.tar'), linked.file);
    expect(rotate([early, changed, linked, late], false)).toEqual([late]);
    expect(readdirSync(folder).sort()).toEqual(['2.tar', '3.tar', '4.tar', 'theirs.tar']);
  });

  it('keeps the last good one where newer ones are gone', () => {
    const folder = temporaryFolder({});
    const [good, gone] = [make(folder, 'good.tar', at(1, 6, 3)), make(folder, 'gone.tar', at(1, 6, 9))];
    rmSync(gone.file);
    expect(rotate([good, gone], false)).toEqual([good]);
    expect(existsSync(good.file)).toBe(true);
  });
});
