import { Counter, Gauge, Registry } from 'prom-client';
import type { ProcessUsage } from '../../base/machine/usage.ts';
import { CAUSES } from '../supervisor/state.ts';
import { isSame, processesOf } from '../watch/compare.ts';
import { type Sample, WORKER_STATES, type WorkerSample } from '../watch/sample.ts';

/** Whatever is told about one worker is told about the place that it has: its number in PM2 or systemd. */
const WORKER = ['worker'] as const;

/** Of the workers of one instance, the one whose memory is told: during a reload there are two. */
const BY_STATE: readonly WorkerSample['state'][] = ['serving', 'hanging', 'running', 'starting', 'draining'];

/** Processes of one place that are known again: one that serves, and some that drain or were not seen for a while. */
const REMEMBERED = 8;

/**
 * The metrics of a cluster, in the conventions of Prometheus: base units, `_total` for what only grows. What only grows
 * goes on over the end of a worker: it is added up here, by process.
 */
export class Metrics {
  readonly registry = new Registry();
  /** CPU seconds of each worker's place, of all processes that had it since this exporter started; the last of these. */
  readonly #cpu = new Map<string, { seconds: number; last: readonly ProcessUsage[] }>();
  readonly #requests = new Map<string, { since: number; count: number }>();

  readonly #info = this.#gauge('cluster_info', 'Always 1: what runs.', [
    'open_webui',
    'runtime',
    'preload',
    'generation',
  ] as const);
  readonly #preloadUp = this.#gauge(
    'preload_up',
    'Whether the preload process runs; without it no worker that ends is replaced.',
  );
  readonly #memory = this.#gauge(
    'memory_bytes',
    'Memory of all processes of the cluster, shared pages counted once (the sum of their PSS).',
  );
  readonly #workers = this.#gauge('workers', 'Workers by state.', ['state'] as const);
  readonly #private = this.#gauge(
    'worker_private_memory_bytes',
    'Memory that would be free without the worker.',
    WORKER,
  );
  readonly #shared = this.#gauge(
    'worker_shared_memory_bytes',
    'Memory of the worker that other processes have too.',
    WORKER,
  );
  readonly #proportional = this.#gauge(
    'worker_proportional_memory_bytes',
    'Memory of the worker, shared pages divided among those that share them (PSS).',
    WORKER,
  );
  readonly #limit = this.#gauge(
    'worker_private_memory_limit_bytes',
    'Private memory at which the worker is replaced.',
    WORKER,
  );
  readonly #started = this.#gauge(
    'worker_start_time_seconds',
    'When the worker was started, since 1970.',
    WORKER,
  );
  readonly #silence = this.#gauge(
    'worker_silence_seconds',
    'Time since the event loop of the worker that serves was last seen turning; up to a second is usual.',
    WORKER,
  );
  readonly #active = this.#gauge('worker_active_requests', 'HTTP requests under way.', WORKER);
  readonly #sockets = this.#gauge('worker_websockets', 'Open WebSockets.', WORKER);
  readonly #generating = this.#gauge(
    'worker_generating_answers',
    'Chat answers that are being generated.',
    WORKER,
  );
  readonly #cpuSeconds = this.#counter('worker_cpu_seconds_total', 'CPU time used.', WORKER);
  readonly #requestCount = this.#counter(
    'worker_requests_total',
    'HTTP requests, over the ends of workers.',
    WORKER,
  );
  readonly #restarts = this.#counter(
    'worker_restarts_total',
    'Workers that served in the place of another, by the reason why that one had to go.',
    ['worker', 'cause'] as const,
  );
  readonly #failedStarts = this.#counter(
    'worker_failed_starts_total',
    'Workers that ended before they served.',
    WORKER,
  );

  /** Takes over what a sample says; the registry tells it from then on. */
  update(sample: Sample): void {
    this.registry.resetMetrics();
    const { version = '', runtime, level = '', generations, parent } = sample;
    this.#info.set({ open_webui: version, runtime, preload: level, generation: generations.join(',') }, 1);
    if (runtime === 'preload') this.#preloadUp.set(parent ? 1 : 0);
    else this.#preloadUp.remove();
    this.#memory.set(total(processesOf(sample).map(({ memory }) => memory?.pss ?? 0)));
    for (const state of WORKER_STATES) {
      this.#workers.set({ state }, sample.workers.filter((worker) => worker.state === state).length);
    }
    for (const worker of new Set(sample.workers.map(({ instance }) => instance))) {
      this.#tellWorker(
        worker,
        sample.workers.filter(({ instance }) => instance === worker),
        sample,
      );
    }
    for (const { instance: worker, record, requests, memoryLimit } of sample.instances) {
      if (memoryLimit !== undefined) this.#limit.set({ worker }, memoryLimit);
      this.#requestCount.inc({ worker }, this.#grown(worker, record?.since ?? 0, requests));
      for (const cause of CAUSES) this.#restarts.inc({ worker, cause }, record?.restarts[cause] ?? 0);
      this.#failedStarts.inc({ worker }, record?.failedStarts ?? 0);
    }
  }

  #tellWorker(worker: string, all: readonly WorkerSample[], { at }: Sample): void {
    const processes = all.flatMap(({ usage }) => usage ?? []);
    this.#cpuSeconds.inc({ worker }, this.#used(worker, processes));
    const [first] = all.toSorted((a, b) => BY_STATE.indexOf(a.state) - BY_STATE.indexOf(b.state));
    if (first?.usage) {
      const { memory, startedAt } = first.usage;
      this.#started.set({ worker }, startedAt / 1000);
      if (memory) {
        this.#private.set({ worker }, memory.private);
        this.#shared.set({ worker }, memory.shared);
        this.#proportional.set({ worker }, memory.pss);
      }
    }
    if (first?.stats && (first.state === 'serving' || first.state === 'hanging')) {
      this.#silence.set({ worker }, Math.max(0, (at - first.stats.heardAt) / 1000));
    }
    const stats = all.flatMap((one) => one.stats ?? []);
    if (stats.length === 0) return;
    this.#active.set({ worker }, total(stats.map(({ active }) => active)));
    this.#sockets.set({ worker }, total(stats.map(({ sockets }) => sockets)));
    this.#generating.set({ worker }, total(stats.map(({ generating }) => generating)));
  }

  /** Adds what each process has used since it was last seen, which need not have been in the sample before. */
  #used(worker: string, processes: readonly ProcessUsage[]): number {
    const { seconds, last } = this.#cpu.get(worker) ?? { seconds: 0, last: [] };
    const added = processes.map((usage) => {
      const before = last.find((one) => isSame(one, usage));
      return Math.max(0, usage.cpuSeconds - (before?.cpuSeconds ?? 0));
    });
    const others = last.filter((one) => !processes.some((usage) => isSame(one, usage)));
    const sum = seconds + total(added);
    this.#cpu.set(worker, { seconds: sum, last: [...processes, ...others].slice(0, REMEMBERED) });
    return sum;
  }

  /** A worker that ends while we look is missing for a moment: no count goes back, unless it begins anew. */
  #grown(worker: string, since: number, count: number): number {
    const known = this.#requests.get(worker);
    const most = known?.since === since ? Math.max(known.count, count) : count;
    this.#requests.set(worker, { since, count: most });
    return most;
  }

  #gauge<L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> {
    return new Gauge({ name: `webui_tune_${name}`, help, labelNames, registers: [this.registry] });
  }

  #counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name: `webui_tune_${name}`, help, labelNames, registers: [this.registry] });
  }
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
