/** Samples of one figure, summarized in three numbers. */

export interface Summary {
  min: number;
  median: number;
  max: number;
}

/** Throws where there is no sample. */
export function summarize(samples: readonly number[]): Summary {
  if (samples.length === 0) throw new Error('a figure without a sample');
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    min: at(0),
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    max: at(sorted.length - 1),
  };
}

/** The smallest sample that `share` (0 to 1) of all samples do not exceed. Throws where there is no sample. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new Error('a percentile without a sample');
  return value;
}

/** `0.43`, `7.25`, `18.4`, `1,234`: as many digits as say something. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  const digits = Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
