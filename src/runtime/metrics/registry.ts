import { Registry } from 'prom-client';
import type { MemoryRoom } from '../../base/machine/memory-room.ts';
import { DURATIONS } from '../contract.ts';
import { SCALE_CAUSES } from '../scale/decide.ts';
import { CAUSES } from '../supervisor/state.ts';
import { processesOf } from '../watch/compare.ts';
import { type InstanceSample, type Sample, WORKER_STATES, type WorkerSample } from '../watch/sample.ts';
import { Successors } from './successors.ts';
import { makeCounter, makeGauge, makeHistogram } from './table.ts';

/** During a reload an instance has two workers. The first in this order is the one whose memory is reported. */
const BY_STATE: readonly WorkerSample['state'][] = ['serving', 'hanging', 'running', 'starting', 'draining'];

/** The metrics of a cluster. A counter does not fall when a worker ends: its processes are added up here. */
export class Metrics {
  readonly registry = new Registry();
  /** Of all workers of an instance, since this exporter started. */
  readonly #cpu = new Successors();
  readonly #streamed = new Successors();
  readonly #most = new Map<string, { since: number; counts: readonly number[] }>();

  readonly #info = makeGauge(this.registry, 'cluster_info');
  readonly #preloadUp = makeGauge(this.registry, 'preload_up');
  readonly #memory = makeGauge(this.registry, 'memory_bytes');
  readonly #memoryLimit = makeGauge(this.registry, 'memory_limit_bytes');
  readonly #available = makeGauge(this.registry, 'memory_available_bytes');
  readonly #oomKills = makeCounter(this.registry, 'oom_kills_total');
  readonly #workers = makeGauge(this.registry, 'workers');
  readonly #least = makeGauge(this.registry, 'workers_least');
  readonly #mostWorkers = makeGauge(this.registry, 'workers_most');
  readonly #changes = makeCounter(this.registry, 'workers_changes_total');
  readonly #private = makeGauge(this.registry, 'worker_private_memory_bytes');
  readonly #shared = makeGauge(this.registry, 'worker_shared_memory_bytes');
  readonly #proportional = makeGauge(this.registry, 'worker_proportional_memory_bytes');
  readonly #limit = makeGauge(this.registry, 'worker_private_memory_limit_bytes');
  readonly #started = makeGauge(this.registry, 'worker_start_time_seconds');
  readonly #silence = makeGauge(this.registry, 'worker_silence_seconds');
  readonly #active = makeGauge(this.registry, 'worker_active_requests');
  readonly #sockets = makeGauge(this.registry, 'worker_websockets');
  readonly #generating = makeGauge(this.registry, 'worker_generating_answers');
  readonly #lag = makeGauge(this.registry, 'worker_event_loop_lag_seconds');
  readonly #tokens = makeCounter(this.registry, 'worker_tokens_total');
  readonly #documents = makeGauge(this.registry, 'documents');
  readonly #cpuSeconds = makeCounter(this.registry, 'worker_cpu_seconds_total');
  readonly #requestCount = makeCounter(this.registry, 'worker_requests_total');
  readonly #durations = makeHistogram(this.registry, 'worker_request_duration_seconds');
  readonly #databaseWait = makeHistogram(this.registry, 'worker_database_wait_seconds');
  readonly #restarts = makeCounter(this.registry, 'worker_restarts_total');
  readonly #failedStarts = makeCounter(this.registry, 'worker_failed_starts_total');

  /** Puts a sample into the registry. */
  update(sample: Sample): void {
    this.registry.resetMetrics();
    const { version = '', runtime, level = '', generations, parent } = sample;
    this.#info.set({ open_webui: version, runtime, preload: level, generation: generations.join(',') }, 1);
    if (runtime === 'preload') this.#preloadUp.set(parent ? 1 : 0);
    else this.#preloadUp.remove();
    this.#memory.set(total(processesOf(sample).map(({ memory }) => memory?.pss ?? 0)));
    this.#tellRoom(sample.room);
    this.#tellScale(sample.scale);
    if (sample.documents) {
      this.#documents.set({ state: 'processing' }, sample.documents.processes.length);
      this.#documents.set({ state: 'waiting' }, sample.documents.waiting);
    }
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
    for (const one of sample.instances) {
      const { instance: worker, record, requests, memoryLimit } = one;
      if (memoryLimit !== undefined) this.#limit.set({ worker }, memoryLimit);
      const [counted = 0] = this.#grown(`${worker} requests`, record?.since ?? 0, [requests]);
      this.#requestCount.inc({ worker }, counted);
      this.#tellDurations(one);
      for (const cause of CAUSES) this.#restarts.inc({ worker, cause }, record?.restarts[cause] ?? 0);
      this.#failedStarts.inc({ worker }, record?.failedStarts ?? 0);
    }
  }

  /** What is not known is missing, where a reset has left 0: a counter that fell to it would seem to have grown later. */
  #tellRoom({ limit, available, oomKills }: MemoryRoom): void {
    if (limit === undefined) this.#memoryLimit.remove();
    else this.#memoryLimit.set(limit);
    if (available === undefined) this.#available.remove();
    else this.#available.set(available);
    if (oomKills === undefined) this.#oomKills.remove();
    else this.#oomKills.inc(oomKills);
  }

  #tellScale(scale: Sample['scale']): void {
    if (!scale) {
      this.#least.remove();
      this.#mostWorkers.remove();
      return;
    }
    this.#least.set(scale.least);
    this.#mostWorkers.set(scale.most);
    for (const cause of SCALE_CAUSES) this.#changes.inc({ cause }, scale.counts[cause] ?? 0);
  }

  #tellWorker(worker: string, all: readonly WorkerSample[], { at }: Sample): void {
    const cpu = all.flatMap(({ usage }) => (usage ? [{ usage, count: usage.cpuSeconds }] : []));
    this.#cpuSeconds.inc({ worker }, this.#cpu.sum(worker, cpu));
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
    const tokens = all.flatMap(({ usage, stats }) =>
      usage && stats?.tokens !== undefined ? [{ usage, count: stats.tokens }] : [],
    );
    if (tokens.length > 0) this.#tokens.inc({ worker }, this.#streamed.sum(worker, tokens));
    if (first?.stats?.lag !== undefined) this.#lag.set({ worker }, first.stats.lag / 1000);
    const stats = all.flatMap((one) => one.stats ?? []);
    if (stats.length === 0) return;
    this.#active.set({ worker }, total(stats.map(({ active }) => active)));
    this.#sockets.set({ worker }, total(stats.map(({ sockets }) => sockets)));
    this.#generating.set({ worker }, total(stats.map(({ generating }) => generating)));
  }

  #tellDurations({ instance: worker, record, durations }: InstanceSample): void {
    for (const kind of DURATIONS) {
      const told = durations?.[kind];
      if (!told) continue;
      const counts = this.#grown(`${worker} ${kind}`, record?.since ?? 0, told);
      if (kind === 'database') this.#databaseWait.put({ worker }, counts);
      else this.#durations.put({ worker, kind }, counts);
    }
  }

  /**
   * A worker that ends while we look is missing for a moment, and a supervisor that is killed takes the counts of its worker
   * along. No count may fall, unless counting began anew.
   */
  #grown(name: string, since: number, counts: readonly number[]): readonly number[] {
    const known = this.#most.get(name);
    const most =
      known?.since === since ? counts.map((one, index) => Math.max(one, known.counts[index] ?? 0)) : counts;
    this.#most.set(name, { since, counts: most });
    return most;
  }
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
