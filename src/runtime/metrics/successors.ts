import type { ProcessUsage } from '../../base/machine/usage.ts';
import { isSame } from '../watch/compare.ts';

/** Processes that are remembered for each instance: the one that serves, and some that drain or were not seen lately. */
const REMEMBERED = 8;

/** What a process has counted since its start. */
interface Count {
  usage: ProcessUsage;
  count: number;
}

/** Adds up what the workers of an instance count, one after another: a counter of Prometheus does not fall. */
export class Successors {
  readonly #known = new Map<string, { sum: number; last: readonly Count[] }>();

  /** Adds what each process has counted since it was last seen, which need not be the previous sample. */
  sum(instance: string, counts: readonly Count[]): number {
    const { sum, last } = this.#known.get(instance) ?? { sum: 0, last: [] };
    const added = counts.map(({ usage, count }) => {
      const before = last.find((one) => isSame(one.usage, usage));
      return Math.max(0, count - (before?.count ?? 0));
    });
    const others = last.filter((one) => !counts.some(({ usage }) => isSame(one.usage, usage)));
    const all = added.reduce((total, more) => total + more, sum);
    this.#known.set(instance, { sum: all, last: [...counts, ...others].slice(0, REMEMBERED) });
    return all;
  }
}
