import type { PreloadLevel } from '../types.ts';

/** What a measurement holds for: all that the memory of workers depends on. */
export interface Conditions {
  /** Version of Open WebUI. */
  openWebui: string;
  /** Version of Python. */
  python: string;
  /** As Node says it: `x64`, `arm64`. */
  architecture: string;
  preset: string;
  level: PreloadLevel;
  embedsLocally: boolean;
  /** Digest of the user's settings that may change what a worker loads (settingsDigest in measure/conditions.ts). */
  settings: string;
}

/** What `webui-tune measure` has found out on this machine, as far as a plan computes with it. */
export interface Measurement {
  conditions: Conditions;
  /** When it was made (ISO 8601, UTC). */
  at: string;
  /** Bytes, once: the preload process with all that its workers and their supervisors share. */
  base: number;
  /** Bytes of private memory of a worker after its first requests. */
  worker: number;
  /** Bytes of private memory of a supervisor. */
  supervisor: number;
}

/** The day of a measurement, such as 2026-11-21 (UTC). */
export function dayOf({ at }: Pick<Measurement, 'at'>): string {
  return at.slice(0, 10);
}

export interface Choice {
  /** Undefined: the table is used. */
  measurement?: Measurement;
  /** Why none of those that are kept is used, in one line; undefined: there is nothing to say. */
  notice?: string;
}

/** The newest of the kept measurements that were made under these conditions. */
export function chooseMeasurement(kept: readonly Measurement[], conditions: Conditions): Choice {
  const compared = kept
    .map((measurement) => ({ measurement, differences: differencesOf(measurement.conditions, conditions) }))
    .sort(
      (a, b) => a.differences.length - b.differences.length || (a.measurement.at < b.measurement.at ? 1 : -1),
    );
  const [nearest] = compared;
  if (!nearest) return {};
  const { measurement, differences } = nearest;
  if (differences.length === 0) return { measurement };
  return {
    notice:
      `the measurement of ${dayOf(measurement)} is not used, because it was made with ${differences.join(', ')}; ` +
      'the built-in figures are. Measure again: webui-tune measure',
  };
}

const WORDS: Readonly<Record<Exclude<keyof Conditions, 'settings' | 'embedsLocally'>, string>> = {
  openWebui: 'Open WebUI',
  python: 'Python',
  architecture: 'the architecture',
  preset: 'the preset',
  level: 'the preload level',
};

/** In words, each with what it was and what it is now. */
function differencesOf(then: Conditions, now: Conditions): string[] {
  const words = Object.entries(WORDS).flatMap(([key, word]) => {
    const [former, current] = [then[key as keyof typeof WORDS], now[key as keyof typeof WORDS]];
    return former === current ? [] : [`${word} ${former}, not ${current}`];
  });
  if (then.embedsLocally !== now.embedsLocally) {
    words.push(then.embedsLocally ? 'a local embedding model' : 'remote embeddings');
  }
  if (then.settings !== now.settings) words.push('other settings');
  return words;
}
