/**
 * Every metric: the one home of its name, kind, labels and meaning. The exporter makes them from it, the table of
 * docs/metrics.md is written from it (scripts/metrics-table.ts), and the dashboard and the alerts may ask for nothing else.
 */

import { Counter, Gauge, type Registry } from 'prom-client';
import { CountedHistogram } from './counted-histogram.ts';

interface Row {
  type: 'gauge' | 'counter' | 'histogram';
  help: string;
  labels: readonly string[];
}

/** Begins all names. */
export const PREFIX = 'webui_tune_';

/** Label of all metrics of one worker: the number of its instance in PM2 or systemd, which its successor takes over. */
const WORKER = ['worker'] as const;

/** In the conventions of Prometheus: base units, `_total` for counters. Names never change. */
export const METRICS = {
  workers: { type: 'gauge', labels: ['state'], help: 'Workers by state.' },
  workers_least: {
    type: 'gauge',
    labels: [],
    help: 'Workers that run at least; missing where their number is fixed, as the next two are.',
  },
  workers_most: { type: 'gauge', labels: [], help: 'Workers that run at most.' },
  workers_changes_total: {
    type: 'counter',
    labels: ['cause'],
    help: 'Changes of the number of workers, by cause: one fewer for calm, one more for busy, answers, lag and waiting.',
  },
  preload_up: {
    type: 'gauge',
    labels: [],
    help: 'Whether the preload process runs; without it no worker that ends is replaced.',
  },
  cluster_info: {
    type: 'gauge',
    labels: ['open_webui', 'runtime', 'preload', 'generation'],
    help: 'Always 1: what runs.',
  },
  memory_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Memory of all processes of the cluster, shared pages counted once (the sum of their PSS).',
  },
  memory_limit_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Memory that the cluster and what runs beside it may take: the tightest limit of a control group around it, or the memory of the machine.',
  },
  memory_available_bytes: {
    type: 'gauge',
    labels: [],
    help: 'What is left of it, on the machine or in the control group that has the least left.',
  },
  oom_kills_total: {
    type: 'counter',
    labels: [],
    help: 'Processes that the kernel killed for want of memory in the control group of the cluster; where there is none, on the machine.',
  },
  worker_restarts_total: {
    type: 'counter',
    labels: ['worker', 'cause'],
    help: 'Workers that served in the place of another, by the reason why that one had to go.',
  },
  worker_failed_starts_total: {
    type: 'counter',
    labels: WORKER,
    help: 'Workers that ended before they served.',
  },
  worker_start_time_seconds: {
    type: 'gauge',
    labels: WORKER,
    help: 'When the worker was started, since 1970.',
  },
  worker_silence_seconds: {
    type: 'gauge',
    labels: WORKER,
    help: 'Time since the event loop of the worker that serves was last seen turning; up to a second is usual.',
  },
  worker_event_loop_lag_seconds: {
    type: 'gauge',
    labels: WORKER,
    help: 'The longest that the event loop of the worker has stood still in the last 15 s.',
  },
  worker_requests_total: {
    type: 'counter',
    labels: WORKER,
    help: 'HTTP requests, over the ends of workers.',
  },
  worker_active_requests: { type: 'gauge', labels: WORKER, help: 'HTTP requests under way.' },
  worker_request_duration_seconds: {
    type: 'histogram',
    labels: ['worker', 'kind'],
    help: 'Time until the end of the answer, by kind: api, page (files), stream (chat completions, and all that is streamed).',
  },
  worker_database_wait_seconds: {
    type: 'histogram',
    labels: WORKER,
    help: 'Time until a caller had a connection to the database, or gave up.',
  },
  worker_websockets: { type: 'gauge', labels: WORKER, help: 'Open WebSockets.' },
  worker_generating_answers: {
    type: 'gauge',
    labels: WORKER,
    help: 'Chat answers that are being generated.',
  },
  worker_tokens_total: {
    type: 'counter',
    labels: WORKER,
    help: 'Tokens of chats that were streamed, over the ends of workers; missing with --no-shortcuts.',
  },
  worker_cpu_seconds_total: { type: 'counter', labels: WORKER, help: 'CPU time used.' },
  worker_private_memory_bytes: {
    type: 'gauge',
    labels: WORKER,
    help: 'Memory that would be free without the worker.',
  },
  worker_private_memory_limit_bytes: {
    type: 'gauge',
    labels: WORKER,
    help: 'Private memory at which the worker is replaced.',
  },
  worker_shared_memory_bytes: {
    type: 'gauge',
    labels: WORKER,
    help: 'Memory of the worker that other processes have too.',
  },
  worker_proportional_memory_bytes: {
    type: 'gauge',
    labels: WORKER,
    help: 'Memory of the worker, shared pages divided among those that share them (PSS).',
  },
  documents: {
    type: 'gauge',
    labels: ['state'],
    help: 'Documents that are processed beside the workers, and those that wait for their turn.',
  },
  backup_overdue: {
    type: 'gauge',
    labels: [],
    help: 'Whether the newest backup that is there is older than two periods of the schedule, or there is none.',
  },
  backup_last_success_timestamp_seconds: {
    type: 'gauge',
    labels: [],
    help: 'When the newest backup that is there was made, since 1970; 0: there is none.',
  },
  backup_last_success_bytes: { type: 'gauge', labels: [], help: 'Size of that backup.' },
  backup_last_success_duration_seconds: { type: 'gauge', labels: [], help: 'How long it took.' },
  backup_last_failure_timestamp_seconds: {
    type: 'gauge',
    labels: ['reason'],
    help: 'When the last attempt failed, since 1970; missing after a success.',
  },
} as const satisfies Record<string, Row>;

export type MetricName = keyof typeof METRICS;

type NameOf<T extends Row['type']> = {
  [N in MetricName]: (typeof METRICS)[N]['type'] extends T ? N : never;
}[MetricName];

type Label<N extends MetricName> = (typeof METRICS)[N]['labels'][number];

export function makeGauge<N extends NameOf<'gauge'>>(registry: Registry, name: N): Gauge<Label<N>> {
  return new Gauge(configOf(registry, name));
}

export function makeCounter<N extends NameOf<'counter'>>(registry: Registry, name: N): Counter<Label<N>> {
  return new Counter(configOf(registry, name));
}

export function makeHistogram<N extends NameOf<'histogram'>>(
  registry: Registry,
  name: N,
): CountedHistogram<Label<N>> {
  return new CountedHistogram(configOf(registry, name));
}

function configOf<N extends MetricName>(registry: Registry, name: N) {
  const { help, labels }: { help: string; labels: readonly Label<N>[] } = METRICS[name];
  return { name: `${PREFIX}${name}`, help, labelNames: labels, registers: [registry] };
}
