import type { BackupState, Schedule } from './state.ts';

/** When a schedule's backups are due, in local time: the hour of the day in which the fewest people are there. */
const HOUR = 3;

/** Milliseconds after which one that failed is tried again; one that found the installation busy is so at the next look. */
const RETRY = 60 * 60 * 1000;

/** The last moment at which a backup was due. A machine that was off then makes up for it later. */
export function lastDue(schedule: Schedule, now: Date): Date {
  const due = new Date(now);
  if (schedule === 'hourly') {
    due.setMinutes(0, 0, 0);
    return due;
  }
  due.setHours(HOUR, 0, 0, 0);
  if (due > now) due.setDate(due.getDate() - 1);
  if (schedule === 'weekly') due.setDate(due.getDate() - due.getDay());
  return due;
}

/** Whether one has to be begun now. `last`: when the last good one was made. */
export function isDue({ schedule, failure }: BackupState, last: string | undefined, now: Date): boolean {
  if (schedule === undefined) return false;
  if (last !== undefined && Date.parse(last) >= lastDue(schedule, now).getTime()) return false;
  if (failure === undefined || failure.busy) return true;
  const since = now.getTime() - Date.parse(failure.at);
  // A clock that was set back is no reason to wait.
  return since < 0 || since >= RETRY;
}

/** Milliseconds between two backups. */
const PERIOD: Readonly<Record<Schedule, number>> = {
  hourly: 60 * 60 * 1000,
  daily: 24 * 60 * 60 * 1000,
  weekly: 7 * 24 * 60 * 60 * 1000,
};

/** Whether the last good one is so old that one must have failed, or none was ever made. */
export function isOverdue(schedule: Schedule, last: string | undefined, now: Date): boolean {
  return last === undefined || now.getTime() - Date.parse(last) > 2 * PERIOD[schedule];
}

export const WHEN: Readonly<Record<Schedule, string>> = {
  hourly: 'every hour',
  daily: `every day at 0${HOUR}:00`,
  weekly: `every Sunday at 0${HOUR}:00`,
};
