/** Rules of Prometheus for what the exporter tells: few, and each with what to do. */

import { APPS } from '../../runtime/contract.ts';
import { renderYaml, type YamlValue } from '../yaml.ts';
import { metric } from './query.ts';

export interface Alert {
  name: string;
  expr: string;
  /** How long it must hold, in Prometheus' words; absent: not at all. */
  for?: string;
  /** `critical`: people cannot work, or will soon lose data; `warning`: somebody should look in the next days. */
  severity: 'critical' | 'warning';
  /** What is wrong; `{{ }}` is Prometheus' template. */
  summary: string;
  /** What it means, and what to do. */
  description: string;
}

/** Name of the job in Prometheus' configuration, as in docs/metrics.md. */
export const JOB = 'open-webui';

const logOf = (app: string) => `pm2 logs ${app} (systemd: journalctl -u ${app})`;
const restart = (app: string) => `pm2 restart ${app} (systemd: systemctl restart ${app})`;

const DOCTOR = 'Run webui-tune doctor: it looks for the cause, and says how to mend it.';

export const ALERTS: readonly Alert[] = [
  {
    name: 'OpenWebuiDown',
    expr: `sum by (instance) (${metric('workers', 'state=~"serving|running"')}) == 0`,
    for: '1m',
    severity: 'critical',
    summary: 'no worker serves',
    description: `Open WebUI does not answer. If the preload process does not start, ${logOf(APPS.preload)} says why. ${DOCTOR}`,
  },
  {
    name: 'OpenWebuiWorkerMissing',
    expr: `sum by (instance) (${metric('workers', 'state=~"hanging|waiting|down"')}) > 0`,
    for: '2m',
    severity: 'warning',
    summary: '{{ $value }} workers do not serve',
    description: `The others do their work. webui-tune top says of each why it does not serve. ${DOCTOR}`,
  },
  {
    name: 'OpenWebuiPreloadDown',
    expr: `${metric('preload_up')} == 0`,
    for: '2m',
    severity: 'critical',
    summary: 'the preload process does not run',
    description: `Workers go on serving, but one that ends is not replaced. ${logOf(APPS.preload)} says why it ended. ${restart(APPS.preload)} starts it.`,
  },
  {
    name: 'OpenWebuiRestartsPileUp',
    expr: `sum by (instance) (increase(${metric('worker_restarts_total', 'cause=~"crash|hang|supervisor"')}[15m])) + sum by (instance) (increase(${metric('worker_failed_starts_total')}[15m])) > 2`,
    severity: 'warning',
    summary: 'workers crash, hang or do not start again and again',
    description: `Whoever was served by such a worker has lost an answer. webui-tune top shows how each one ended. pm2 logs ${APPS.cluster} (systemd: journalctl -u "${APPS.cluster}@*") has its last words; after a hang, where it stood.`,
  },
  {
    name: 'OpenWebuiWorkerLeaks',
    expr: `sum by (instance, worker) (increase(${metric('worker_restarts_total', 'cause="memory"')}[6h])) > 3`,
    severity: 'warning',
    summary: 'worker {{ $labels.worker }} reaches its memory limit again and again',
    description:
      'Each time it is replaced without a loss, but something takes memory: often a function or a tool of yours. Name a higher memory.workerLimit in the preset, or find what takes it.',
  },
  {
    name: 'OpenWebuiOutOfMemory',
    expr: `increase(${metric('oom_kills_total')}[15m]) > 0`,
    severity: 'critical',
    summary: 'the kernel killed a process for want of memory',
    description:
      'A worker, a document or a service beside them was cut off. Plan with less (webui-tune up --memory SIZE, or fewer --workers), or give the machine or the container more.',
  },
  {
    name: 'OpenWebuiMemoryLow',
    expr: `${metric('memory_available_bytes')} / ${metric('memory_limit_bytes')} < 0.1`,
    for: '10m',
    severity: 'warning',
    summary: 'only {{ $value | humanizePercentage }} of the memory is left',
    description:
      'The kernel kills a process when nothing is left. webui-tune top shows what the cluster takes; webui-tune plans anew for the memory that there is.',
  },
  {
    name: 'OpenWebuiEventLoopLag',
    expr: `${metric('worker_event_loop_lag_seconds')} > 1`,
    for: '5m',
    severity: 'warning',
    summary:
      'the event loop of worker {{ $labels.worker }} stands still for {{ $value | humanizeDuration }} at a time',
    description:
      'So long does everybody wait whom this worker serves. Either the machine has too little CPU (see its load), or a function, a tool or a filter of yours computes without giving way.',
  },
  {
    name: 'OpenWebuiDatabaseWait',
    expr: `histogram_quantile(0.95, sum by (instance, le) (rate(${metric('worker_database_wait_seconds_bucket')}[5m]))) > 0.5`,
    for: '5m',
    severity: 'warning',
    summary:
      'one in twenty callers waits {{ $value | humanizeDuration }} or longer for a connection to the database',
    description: `The pool of a worker is used up, or the server is slow to accept. Look for slow queries in pg_stat_activity, then at DATABASE_POOL_SIZE and max_connections. ${DOCTOR}`,
  },
  {
    name: 'OpenWebuiDocumentsWait',
    expr: `min_over_time(${metric('documents', 'state="waiting"')}[30m]) > 0`,
    severity: 'warning',
    summary: 'documents have waited for their turn for half an hour',
    description:
      'More come than are processed. More at once (--documents-at-once) need memory and CPU for each; or one hangs: webui-tune top shows how many are processed.',
  },
  {
    name: 'OpenWebuiBackupOverdue',
    expr: `${metric('backup_overdue')} == 1`,
    for: '1h',
    severity: 'critical',
    summary: 'the last good backup is older than two periods of its schedule, or there is none',
    description: `Run webui-tune backup, and see what it says. pm2 logs ${APPS.backup} has the attempts by schedule.`,
  },
  {
    name: 'OpenWebuiBackupFailed',
    expr: `${metric('backup_last_failure_timestamp_seconds')} > 0`,
    for: '5m',
    severity: 'warning',
    summary: 'the last backup failed',
    description: 'The reason: {{ $labels.reason }}. Mend that, then run webui-tune backup.',
  },
  {
    name: 'OpenWebuiNotWatched',
    expr: `up{job="${JOB}"} == 0`,
    for: '2m',
    severity: 'warning',
    summary: 'the metrics of Open WebUI cannot be read',
    description: `No other alert can fire meanwhile. ${logOf(APPS.metrics)} says why the exporter ended. ${restart(APPS.metrics)} starts it.`,
  },
];

const HEADER = `Alerts of a cluster of webui-tune: rule_files in prometheus.yml names this file. The job is called ${JOB} there.`;

/** A file of rules for Prometheus. */
export function renderAlerts(): string {
  const rules = ALERTS.map(
    ({ name, expr, severity, summary, description, for: duration }): YamlValue => ({
      alert: name,
      expr,
      ...(duration !== undefined && { for: duration }),
      labels: { severity },
      annotations: { summary, description },
    }),
  );
  return renderYaml({ groups: [{ name: 'open-webui', rules }] }, [], HEADER);
}
