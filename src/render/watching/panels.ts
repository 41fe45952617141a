/** What the dashboard shows. */

import { metric, type SeriesName } from './query.ts';

export interface Query {
  expr: string;
  /** `{{label}}` is Grafana's template. */
  legend: string;
}

export interface Panel {
  title: string;
  /** `stat`: the value of now; `timeseries`: over time. */
  kind: 'stat' | 'timeseries';
  /** In Grafana's words. */
  unit: string;
  about?: string;
  queries: readonly Query[];
  /** From where on it is doubtful, and bad. */
  limits?: readonly [number, number];
  /** Of a `stat`: its legend is the news, not its value. */
  showsName?: boolean;
}

export interface PanelRow {
  title: string;
  /** Of its panels, in Grafana's units of 30 pixels. */
  height: number;
  panels: readonly Panel[];
}

/** Variables that Grafana fills in: the clusters that are chosen, and a span that has at least four scrapes. */
const INSTANCE = 'instance=~"$instance"';
const SPAN = '$__rate_interval';

const STAT_HEIGHT = 4;
const SERIES_HEIGHT = 8;

const of = (name: SeriesName, ...matchers: string[]) => metric(name, INSTANCE, ...matchers);
const rate = (name: SeriesName, ...matchers: string[]) => `rate(${of(name, ...matchers)}[${SPAN}])`;
const increase = (name: SeriesName) => `increase(${of(name)}[${SPAN}])`;
const quantile = (share: number, by: string, name: SeriesName) =>
  `histogram_quantile(${share}, sum by (${by}, le) (${rate(name)}))`;

const perWorker = (title: string, unit: string, expr: string, about?: string): Panel => ({
  title,
  kind: 'timeseries',
  unit,
  queries: [{ expr, legend: 'worker {{worker}}' }],
  ...(about !== undefined && { about }),
});

const stat = (title: string, unit: string, expr: string, limits?: readonly [number, number]): Panel => ({
  title,
  kind: 'stat',
  unit,
  queries: [{ expr, legend: '' }],
  ...(limits && { limits }),
});

export const PANELS: readonly PanelRow[] = [
  {
    title: 'Now',
    height: STAT_HEIGHT,
    panels: [
      stat('Workers that serve', 'none', `sum(${of('workers', 'state=~"serving|running"')})`),
      stat('Workers that do not', 'none', `sum(${of('workers', 'state=~"hanging|waiting|down"')})`),
      stat('Preload process runs', 'bool_yes_no', `min(${of('preload_up')})`),
      stat('Answers in generation', 'none', `sum(${of('worker_generating_answers')})`),
      stat('Open pages', 'none', `sum(${of('worker_websockets')})`),
      stat(
        'Memory left',
        'percentunit',
        `min(${of('memory_available_bytes')} / ${of('memory_limit_bytes')})`,
        [0.2, 0.1],
      ),
    ],
  },
  {
    title: 'Requests',
    height: SERIES_HEIGHT,
    panels: [
      {
        title: 'Requests per second, by kind',
        kind: 'timeseries',
        unit: 'reqps',
        queries: [
          {
            expr: `sum by (kind) (${rate('worker_request_duration_seconds_count')})`,
            legend: '{{kind}}',
          },
        ],
      },
      {
        title: 'Duration of the slowest 5 %, and of half of the requests',
        kind: 'timeseries',
        unit: 's',
        about:
          'api: what pages and programs ask for. page: files of the page. stream: as long as a model answers.',
        queries: [
          { expr: quantile(0.95, 'kind', 'worker_request_duration_seconds_bucket'), legend: '{{kind}} 95 %' },
          { expr: quantile(0.5, 'kind', 'worker_request_duration_seconds_bucket'), legend: '{{kind}} 50 %' },
        ],
      },
      perWorker('Requests in progress', 'none', of('worker_active_requests')),
      perWorker('Requests per second, by worker', 'reqps', rate('worker_requests_total')),
    ],
  },
  {
    title: 'Chats',
    height: SERIES_HEIGHT,
    panels: [
      perWorker('Answers in generation', 'none', of('worker_generating_answers')),
      perWorker('Tokens per second', 'none', rate('worker_tokens_total')),
      perWorker('Open WebSockets', 'none', of('worker_websockets')),
      {
        title: 'Documents',
        kind: 'timeseries',
        unit: 'none',
        queries: [{ expr: of('documents'), legend: '{{state}}' }],
      },
    ],
  },
  {
    title: 'Workers',
    height: SERIES_HEIGHT,
    panels: [
      perWorker(
        'Standstill of the event loop',
        's',
        of('worker_event_loop_lag_seconds'),
        'The longest in 15 s. So long did everybody wait whom the worker serves.',
      ),
      perWorker('CPU', 'percentunit', rate('worker_cpu_seconds_total'), '100 % is one core.'),
      {
        title: 'Wait for a connection to the database',
        kind: 'timeseries',
        unit: 's',
        about: 'Of the slowest 5 % and 1 % of those that asked for one.',
        queries: [
          {
            expr: quantile(0.95, 'worker', 'worker_database_wait_seconds_bucket'),
            legend: 'worker {{worker}} 95 %',
          },
          {
            expr: quantile(0.99, 'worker', 'worker_database_wait_seconds_bucket'),
            legend: 'worker {{worker}} 99 %',
          },
        ],
      },
      {
        title: 'Workers by state',
        kind: 'timeseries',
        unit: 'none',
        queries: [{ expr: `sum by (state) (${of('workers')})`, legend: '{{state}}' }],
      },
    ],
  },
  {
    title: 'Restarts',
    height: SERIES_HEIGHT,
    panels: [
      {
        title: 'Replaced workers, by cause',
        kind: 'timeseries',
        unit: 'none',
        about: 'docs/top.md says what each cause means.',
        queries: [{ expr: `sum by (cause) (${increase('worker_restarts_total')})`, legend: '{{cause}}' }],
      },
      {
        title: 'Failed starts, and processes killed for want of memory',
        kind: 'timeseries',
        unit: 'none',
        queries: [
          { expr: `sum(${increase('worker_failed_starts_total')})`, legend: 'failed starts' },
          { expr: `sum(${increase('oom_kills_total')})`, legend: 'killed by the kernel' },
        ],
      },
      perWorker('Age of the worker', 's', `time() - ${of('worker_start_time_seconds')}`),
      perWorker('Time since it was last heard of', 's', of('worker_silence_seconds')),
    ],
  },
  {
    title: 'Memory',
    height: SERIES_HEIGHT,
    panels: [
      {
        title: 'Memory of the cluster',
        kind: 'timeseries',
        unit: 'bytes',
        queries: [
          { expr: of('memory_bytes'), legend: 'cluster' },
          { expr: of('memory_limit_bytes'), legend: 'there is' },
          { expr: of('memory_available_bytes'), legend: 'left' },
        ],
      },
      {
        title: 'Private memory of workers, and its limit',
        kind: 'timeseries',
        unit: 'bytes',
        queries: [
          { expr: of('worker_private_memory_bytes'), legend: 'worker {{worker}}' },
          { expr: `min(${of('worker_private_memory_limit_bytes')})`, legend: 'limit' },
        ],
      },
      perWorker('Memory that workers share', 'bytes', of('worker_shared_memory_bytes')),
      perWorker(
        'Memory of workers, shared pages divided (PSS)',
        'bytes',
        of('worker_proportional_memory_bytes'),
      ),
    ],
  },
  {
    title: 'Backups',
    height: STAT_HEIGHT,
    panels: [
      stat(
        'Age of the last good backup',
        's',
        `time() - max(${of('backup_last_success_timestamp_seconds')})`,
      ),
      stat('Overdue', 'bool_yes_no', `max(${of('backup_overdue')})`),
      stat('Its size', 'bytes', `max(${of('backup_last_success_bytes')})`),
      stat('How long it took', 's', `max(${of('backup_last_success_duration_seconds')})`),
      {
        ...stat('Since the last failure', 's', `time() - ${of('backup_last_failure_timestamp_seconds')}`),
        about: 'Empty after a success.',
      },
      {
        ...stat('What runs', 'none', of('cluster_info')),
        queries: [{ expr: of('cluster_info'), legend: 'Open WebUI {{open_webui}}, {{preload}} preload' }],
        showsName: true,
      },
    ],
  },
];
