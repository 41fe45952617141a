/** Durations that workers count (preload/webui_preload/worker/durations.py); pure. */

import { DURATION_BOUNDS, DURATIONS } from '../contract.ts';

/**
 * Of each kind: the sum in seconds, then how many are in each bucket of DURATION_BOUNDS, and in the one beyond.
 */
export type Durations = Partial<Record<(typeof DURATIONS)[number], number[]>>;

const LENGTH = DURATION_BOUNDS.length + 2;

/** What is understood of it: another version of ours may have other kinds and bounds. */
export function parseDurations(value: unknown): Durations | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const told: Partial<Record<string, unknown>> = { ...value };
  return Object.fromEntries(
    DURATIONS.flatMap((kind) => {
      const counts = told[kind];
      return areCounts(counts) ? [[kind, counts]] : [];
    }),
  );
}

/** Undefined where nobody counted. */
export function sumDurations(all: readonly (Durations | undefined)[]): Durations | undefined {
  const known = all.filter((one) => one !== undefined);
  if (known.length === 0) return undefined;
  const sum: Durations = {};
  for (const kind of DURATIONS) {
    const counts = known.flatMap((one) => (one[kind] ? [one[kind]] : []));
    const [first] = counts;
    if (first) sum[kind] = first.map((_, index) => counts.reduce((all, one) => all + (one[index] ?? 0), 0));
  }
  return sum;
}

function areCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.length === LENGTH && value.every((one) => typeof one === 'number');
}
