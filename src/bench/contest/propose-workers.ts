import type { SweepReport, SweepStepReport } from './schema.ts';
import { formatNumber, summarize } from './statistics.ts';

/** Share of the best throughput that is enough: beyond it more workers are not worth their memory. */
const ENOUGH = 0.95;

/**
 * The number of workers to have: the smallest whose median throughput is within 5 % of the best, with the curve as its
 * reason. Pure; throws for an empty curve.
 */
export function proposeWorkers(steps: readonly SweepStepReport[]): SweepReport['proposal'] {
  const points = steps.map(({ workers, perSecond, p99Ms, memoryMib }) => ({
    workers,
    perSecond: summarize(perSecond).median,
    p99Ms: summarize(p99Ms).median,
    memoryMib,
  }));
  const best = Math.max(...points.map(({ perSecond }) => perSecond));
  const index = points.findIndex(({ perSecond }) => perSecond >= ENOUGH * best);
  const chosen = points[index];
  if (!chosen) throw new Error('a sweep without a step');
  const told = ({ workers, perSecond, p99Ms }: (typeof points)[number]) =>
    `${workers}: ${formatNumber(perSecond)} requests/s, p99 ${formatNumber(p99Ms)} ms`;
  const before = points[index - 1];
  const after = points[index + 1];
  const gain = (from: number, to: number) =>
    `${to >= from ? '+' : '−'}${formatNumber(Math.round(Math.abs(to / from - 1) * 100))} %`;
  const gains = [
    ...(before
      ? [`from ${before.workers} to ${chosen.workers}: ${gain(before.perSecond, chosen.perSecond)}`]
      : []),
    ...(after
      ? [
          `from ${chosen.workers} to ${after.workers}: ${gain(chosen.perSecond, after.perSecond)} for ${formatNumber(Math.round(after.memoryMib - chosen.memoryMib))} MiB`,
        ]
      : ['more were not tried']),
  ];
  return {
    workers: chosen.workers,
    reason: `the fewest within ${Math.round((1 - ENOUGH) * 100)} % of the best throughput (${gains.join('; ')}). ${points.map(told).join('; ')}`,
  };
}
