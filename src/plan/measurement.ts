import type { PreloadLevel } from './types.ts';

/** The conditions under which a measurement holds: everything that the memory of workers depends on. */
export interface Conditions {
  /** Version of Open WebUI. */
  openWebui: string;
  /** Version of Python. */
  python: string;
  /** In Node's words: `x64`, `arm64`. */
  architecture: string;
  preset: string;
  level: PreloadLevel;
  embedsLocally: boolean;
  /** Digest of the user's settings that may change what a worker loads (settingsDigest in tune/measurements/conditions.ts). */
  settings: string;
  /** Version of torch with its build, such as `2.13.0+cpu`, `2.14.1 (CUDA)` or `none`; undefined: unknown. */
  torch?: string | undefined;
}

/**
 * The part of a measurement that a plan uses: by `webui-tune measure` on this machine, or by a running tree about itself.
 */
export interface Measurement {
  conditions: Conditions;
  /** The figures are those of a running tree, in real use. */
  observed?: true | undefined;
  /** When it was made (ISO 8601, UTC). */
  at: string;
  /** Bytes, once: the preload process with everything that its workers and their supervisors share. */
  base: number;
  /** Bytes of private memory of a worker after its first requests; undefined: no worker had served yet. */
  worker?: number | undefined;
  /** Bytes of an observed worker that had not served yet: a lower bound of what it takes afterwards. */
  idle?: number | undefined;
  /** Bytes of private memory of a supervisor. */
  supervisor: number;
}

/** The source of a measurement in words. */
export function sourceInWords(measurement: Measurement): string {
  const words = `${measurement.observed ? 'observed' : 'measured'} on this machine on ${dayOf(measurement)}`;
  return measurement.worker === undefined ? `${words}, before its workers had served` : words;
}

/** The day of a measurement, such as 2026-11-21 (UTC). */
export function dayOf({ at }: Pick<Measurement, 'at'>): string {
  return at.slice(0, 10);
}

export interface Choice {
  /** Undefined: the table is used. */
  measurement?: Measurement;
  /** Why no saved measurement is used, in one line; undefined: nothing to report. */
  notice?: string;
}

/**
 * The newest measurement under these conditions, whether measured or observed: figures observed after a measurement come
 * from real use, and a user who measures again afterwards wants the new figures to count. If none holds, the notice names
 * the nearest one that the user has measured.
 */
export function chooseMeasurement(kept: readonly Measurement[], conditions: Conditions): Choice {
  const compared = kept
    .map((measurement) => ({ measurement, differences: differencesOf(measurement.conditions, conditions) }))
    .sort(
      (a, b) => a.differences.length - b.differences.length || (a.measurement.at < b.measurement.at ? 1 : -1),
    );
  const [nearest] = compared;
  if (nearest?.differences.length === 0) return { measurement: nearest.measurement };
  const made = compared.find(({ measurement }) => !measurement.observed);
  if (!made) return {};
  return {
    notice:
      `the measurement of ${dayOf(made.measurement)} is not used, because it was made with ${made.differences.join(', ')}; ` +
      'the built-in figures are. Measure again: webui-tune measure',
  };
}

/** Whether a measurement under `then` also holds under `now`. */
export function holdsFor(then: Conditions, now: Conditions): boolean {
  return differencesOf(then, now).length === 0;
}

const WORDS: Readonly<Record<Exclude<keyof Conditions, 'settings' | 'embedsLocally'>, string>> = {
  openWebui: 'Open WebUI',
  python: 'Python',
  architecture: 'the architecture',
  preset: 'the preset',
  level: 'the preload level',
  torch: 'torch',
};

/** The differences in words, each with its former and its current value. */
function differencesOf(then: Conditions, now: Conditions): string[] {
  const words = Object.entries(WORDS).flatMap(([key, word]) => {
    const [former, current] = [then[key as keyof typeof WORDS], now[key as keyof typeof WORDS]];
    // Measurements of earlier versions do not say which torch it was.
    if (former === undefined || current === undefined) return [];
    return former === current ? [] : [`${word} ${former}, not ${current}`];
  });
  if (then.embedsLocally !== now.embedsLocally) {
    words.push(then.embedsLocally ? 'a local embedding model' : 'remote embeddings');
  }
  if (then.settings !== now.settings) words.push('other settings');
  return words;
}
