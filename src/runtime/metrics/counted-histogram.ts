import type { Metric, Registry } from 'prom-client';
import { DURATION_BOUNDS } from '../contract.ts';

interface Value {
  metricName: string;
  labels: Record<string, string | number>;
  value: number;
}

/** A histogram that others have counted. prom-client's own takes only one observation after the other. */
export class CountedHistogram<L extends string> {
  readonly name: string;
  readonly #help: string;
  #values: Value[] = [];

  constructor({ name, help, registers }: { name: string; help: string; registers: readonly Registry[] }) {
    this.name = name;
    this.#help = help;
    // A registry asks a metric for its name, get() and reset() alone (prom-client 15, lib/registry.js).
    for (const registry of registers) registry.registerMetric(this as unknown as Metric);
  }

  /** `counted`: the sum in seconds, then how many are in each bucket (supervisor/durations.ts). */
  put(labels: Record<L, string>, [seconds = 0, ...buckets]: readonly number[]): void {
    let below = 0;
    for (const [index, count] of buckets.entries()) {
      below += count;
      const le = DURATION_BOUNDS[index] ?? '+Inf';
      this.#values.push({ metricName: `${this.name}_bucket`, labels: { ...labels, le }, value: below });
    }
    this.#values.push({ metricName: `${this.name}_sum`, labels, value: seconds });
    this.#values.push({ metricName: `${this.name}_count`, labels, value: below });
  }

  reset(): void {
    this.#values = [];
  }

  async get() {
    return { name: this.name, help: this.#help, type: 'histogram', values: this.#values };
  }
}
