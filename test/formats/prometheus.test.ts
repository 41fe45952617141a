/** The alerts and the queries of the dashboard against Prometheus' own promtool. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ExecaError, execa } from 'execa';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { findPrometheus } from '../../scripts/prometheus.mjs';
import { ALERTS, JOB, renderAlerts } from '../../src/render/watching/alerts.ts';
import { dashboardQueries } from '../kit/dashboard.ts';

const found = findPrometheus();
if (!found)
  process.stderr.write('skipped: promtool’s own checks. promtool is missing (package prometheus)\n');

const folder = mkdtempSync(join(tmpdir(), 'webui-tune-alerts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What promtool says against a file; undefined: nothing. */
async function complaint(what: 'check' | 'test', name: string, text: string): Promise<string | undefined> {
  const path = join(folder, name);
  writeFileSync(path, text);
  try {
    await execa(found?.promtool ?? '', [what, 'rules', path], { all: true });
    return undefined;
  } catch (error) {
    const { all, message } = error as ExecaError<{ all: true }>;
    return all || message;
  }
}

/** A series of one scrape a minute; `values` in promtool's words. */
const series = (name: string, values: string, labels = '') => ({
  series: `webui_tune_${name}{instance="a",job="${JOB}"${labels && `,${labels}`}}`,
  values,
});

/** What is told where an alert has to fire after 65 minutes. */
const CASES: Record<string, object[]> = {
  OpenWebuiDown: [series('workers', '0x65', 'state="serving"'), series('workers', '0x65', 'state="running"')],
  OpenWebuiWorkerMissing: [
    series('workers', '1x65', 'state="down"'),
    series('workers', '1x65', 'state="serving"'),
  ],
  OpenWebuiPreloadDown: [series('preload_up', '0x65')],
  OpenWebuiRestartsPileUp: [
    series('worker_restarts_total', '0x55 1 2 3 3x7', 'worker="0",cause="crash"'),
    series('worker_failed_starts_total', '0x65', 'worker="0"'),
  ],
  OpenWebuiWorkerLeaks: [
    series('worker_restarts_total', '0x20 1x9 2x9 3x9 5x20', 'worker="0",cause="memory"'),
  ],
  OpenWebuiOutOfMemory: [series('oom_kills_total', '4x55 5x10')],
  OpenWebuiMemoryLow: [series('memory_available_bytes', '5x65'), series('memory_limit_bytes', '100x65')],
  OpenWebuiEventLoopLag: [series('worker_event_loop_lag_seconds', '2x65', 'worker="0"')],
  OpenWebuiDatabaseWait: waits([10, 60, 60]),
  OpenWebuiDocumentsWait: [series('documents', '3x65', 'state="waiting"')],
  OpenWebuiBackupOverdue: [series('backup_overdue', '1x65')],
  OpenWebuiBackupFailed: [series('backup_last_failure_timestamp_seconds', '1000x65', 'reason="no room"')],
  OpenWebuiNotWatched: [{ series: `up{instance="a",job="${JOB}"}`, values: '0x65' }],
};

/** So many waits a minute in the buckets up to 0.5 s, up to 1 s, and of all. */
function waits(counts: readonly number[]): object[] {
  return ['0.5', '1', '+Inf'].map((le, index) =>
    series('worker_database_wait_seconds_bucket', `0+${counts[index]}x65`, `worker="0",le="${le}"`),
  );
}

/** What is told of a cluster that is well. */
const WELL = [
  series('workers', '2x65', 'state="serving"'),
  series('workers', '0x65', 'state="down"'),
  series('preload_up', '1x65'),
  series('worker_restarts_total', '7x65', 'worker="0",cause="crash"'),
  series('worker_restarts_total', '1x30 2x34', 'worker="0",cause="memory"'),
  series('worker_failed_starts_total', '3x65', 'worker="0"'),
  series('oom_kills_total', '4x65'),
  series('memory_available_bytes', '50x65'),
  series('memory_limit_bytes', '100x65'),
  series('worker_event_loop_lag_seconds', '0.1 3 0.1x63', 'worker="0"'),
  ...waits([60, 60, 60]),
  series('documents', '0 3 0x63', 'state="waiting"'),
  series('backup_overdue', '0x65'),
  { series: `up{instance="a",job="${JOB}"}`, values: '1x65' },
];

/** Which alerts fire after 65 minutes. */
const firing = (told: readonly object[], names: readonly string[]) => ({
  interval: '1m',
  input_series: told,
  promql_expr_test: [
    {
      expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
      eval_time: '65m',
      exp_samples: names.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
    },
  ],
});

describe.skipIf(!found)('promtool', () => {
  it('finds no fault with the alerts', async () => {
    expect(await complaint('check', 'alerts.yml', renderAlerts())).toBeUndefined();
  });

  it('does find one', async () => {
    expect(await complaint('check', 'broken.yml', renderAlerts().replace('sum by', 'sum bye'))).toContain(
      'parse error',
    );
  });

  it('understands each query of the dashboard', async () => {
    const rules = dashboardQueries('5m').map(({ expr }, index) => ({ record: `query_${index}`, expr }));
    expect(
      await complaint('check', 'queries.yml', stringify({ groups: [{ name: 'all', rules }] })),
    ).toBeUndefined();
  });

  it('lets each alert fire when it should, and none where all is well', async () => {
    expect(Object.keys(CASES)).toEqual(ALERTS.map(({ name }) => name));
    writeFileSync(join(folder, 'alerts.yml'), renderAlerts());
    const tests = [firing(WELL, []), ...Object.entries(CASES).map(([name, told]) => firing(told, [name]))];
    const file = { rule_files: ['alerts.yml'], evaluation_interval: '1m', tests };
    expect(await complaint('test', 'tests.yml', stringify(file))).toBeUndefined();
  });
});
