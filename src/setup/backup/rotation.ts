import { lstatSync, rmSync } from 'node:fs';
import type { MadeBackup } from '../../runtime/backups/state.ts';

interface Rule {
  /** How many are kept: the newest of each of the last so many hours, days, weeks and months that have one. */
  count: number;
  /** In local time, as people count their days. */
  periodOf: (at: Date) => string;
}

const dayOf = (at: Date) => `${at.getFullYear()}-${at.getMonth()}-${at.getDate()}`;

/** A week by its Sunday, the day of the weekly backup. */
function weekOf(at: Date): string {
  const sunday = new Date(at);
  sunday.setDate(at.getDate() - at.getDay());
  return dayOf(sunday);
}

/** 24 are kept of an hourly schedule; others have no more of them than of days. */
const RULES: readonly Rule[] = [
  { count: 24, periodOf: (at) => `${dayOf(at)} ${at.getHours()}` },
  { count: 7, periodOf: dayOf },
  { count: 4, periodOf: weekOf },
  { count: 6, periodOf: (at) => `${at.getFullYear()}-${at.getMonth()}` },
];

/** Those to keep, in their order. The newest is always among them. `hourly`: whether hours count. */
export function keptOf<T extends Pick<MadeBackup, 'at'>>(made: readonly T[], hourly: boolean): T[] {
  const newestFirst = made.toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at));
  const kept = new Set<T>();
  for (const { count, periodOf } of hourly ? RULES : RULES.slice(1)) {
    const periods = new Set<string>();
    for (const one of newestFirst) {
      const period = periodOf(new Date(one.at));
      if (periods.has(period)) continue;
      if (periods.size === count) break;
      periods.add(period);
      kept.add(one);
    }
  }
  return made.filter((one) => kept.has(one));
}

/**
 * Deletes the files that are no longer kept, and returns those that are. What is not there any more counts as none, so that
 * it takes no other's place; what somebody has changed is not ours any more, and stays.
 */
export function rotate(made: readonly MadeBackup[], hourly: boolean): MadeBackup[] {
  const ours = made.filter(isOurs);
  const kept = keptOf(ours, hourly);
  for (const one of ours) if (!kept.includes(one)) rmSync(one.file, { force: true });
  return kept;
}

/** Whether the file is what we wrote. */
function isOurs({ file, bytes, modified }: MadeBackup): boolean {
  const found = lstatSync(file, { throwIfNoEntry: false });
  return found?.isFile() === true && found.size === bytes && found.mtimeMs === modified;
}
