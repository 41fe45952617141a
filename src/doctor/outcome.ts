import type { TuneError } from '../base/errors.ts';

/** Why a fact cannot be had, though nothing went wrong. */
export interface Absent {
  state: 'absent';
  reason: string;
}

/** A fact, the error in its place, or the reason why there is none to be had. */
export type Outcome<T> = { state: 'known'; value: T } | { state: 'failed'; error: TuneError } | Absent;

export const known = <T>(value: T): Outcome<T> => ({ state: 'known', value });
export const absent = (reason: string): Absent => ({ state: 'absent', reason });

export function isAbsent(value: unknown): value is Absent {
  return typeof value === 'object' && value !== null && 'state' in value && value.state === 'absent';
}

export function valueIfKnown<T>(outcome: Outcome<T>): T | undefined {
  return outcome.state === 'known' ? outcome.value : undefined;
}
