/** When a scheduled backup is begun: once a period, made up for after a pause, and not too often after a failure. */
import { expect, it } from 'vitest';
import { isDue, isOverdue, lastDue } from '../../../src/runtime/backups/due.ts';
import type { BackupState, Schedule } from '../../../src/runtime/backups/state.ts';

/** A Tuesday, in local time. */
const at = (day: number, hour: number, minute = 0) => new Date(2026, 0, day, hour, minute);

it.each<[Schedule, Date, Date]>([
  ['hourly', at(6, 14, 59), at(6, 14)],
  ['daily', at(6, 3), at(6, 3)],
  ['daily', at(6, 2, 59), at(5, 3)],
  ['weekly', at(6, 14), at(4, 3)],
  ['weekly', at(4, 3), at(4, 3)],
  ['weekly', at(4, 2, 59), new Date(2025, 11, 28, 3)],
])('%s at %s was due last at %s', (schedule, now, due) => {
  expect(lastDue(schedule, now)).toEqual(due);
});

const state = (change: Partial<BackupState> = {}): BackupState => ({
  schedule: 'daily',
  folder: '/b',
  made: [],
  ...change,
});
const failed = (when: Date, busy = false) =>
  state({ failure: { at: when.toISOString(), reason: 'no space left', busy } });

it.each<[string, boolean, BackupState, Date | undefined, Date]>([
  ['the first', true, state(), undefined, at(6, 14)],
  ['none without a schedule', false, { folder: '/b', made: [] }, undefined, at(6, 14)],
  ['a second one of a night', false, state(), at(6, 3, 1), at(6, 23)],
  ['the next night’s', true, state(), at(6, 3, 1), at(7, 3)],
  ['one of a night in which the machine was off', true, state(), at(5, 3, 1), at(6, 9)],
  ['one right after a failure', false, failed(at(6, 3, 1)), at(5, 3, 1), at(6, 3, 55)],
  ['one an hour after a failure', true, failed(at(6, 3, 1)), at(5, 3, 1), at(6, 4, 1)],
  ['one after the clock was set back', true, failed(at(6, 9)), at(5, 3, 1), at(6, 5)],
  ['one that waited for another command', true, failed(at(6, 3, 1), true), at(5, 3, 1), at(6, 3, 5)],
])('begins %s: %s', (_, expected, known, last, now) => {
  expect(isDue(known, last?.toISOString(), now)).toBe(expected);
});

it('is overdue after two periods, and where there never was one', () => {
  expect(isOverdue('daily', at(4, 14).toISOString(), at(6, 13))).toBe(false);
  expect(isOverdue('daily', at(4, 14).toISOString(), at(6, 15))).toBe(true);
  expect(isOverdue('weekly', undefined, at(6, 15))).toBe(true);
});
