/** OpenTelemetry by the real SDK: every worker sends traces, metrics and logs under its own name, and shares the app. */
import { beforeAll, expect, it } from 'vitest';
import { until } from '../../src/base/io/wait.ts';
import { readMemory } from '../../src/base/machine/process-memory.ts';
import { MIB } from '../../src/base/units.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { type Collector, installTelemetry, startCollector } from '../kit/collector.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 2;
/** What each of them sends at least. */
const EXPECTED = { traces: 'GET /api/version', metrics: 'http.server.requests', logs: /GET \/api\/version/ };

const scope = useScope();
let collector: Collector;
let cluster: Cluster;

beforeAll(async () => {
  collector = await startCollector(scope);
  cluster = await startCluster(scope, {
    workers: WORKERS,
    settings: collector.settings,
    environment: { PYTHONPATH: await installTelemetry(scope) },
  });
});

it('keeps the app preloaded', async () => {
  const [instance] = await cluster.instances();
  expect(instance?.pm2_env.axm_monitor['Preload level']?.value).toBe('lean');
  for (const { pid } of cluster.pythonWorkers()) expect(readMemory(pid).private / MIB).toBeLessThan(150);
});

it('brings traces, metrics and logs of every worker, by its own id', async () => {
  const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
  const pids = cluster.pythonWorkers().map(({ pid }) => pid);
  const isWhole = async () => {
    // Each call is on a connection of its own, and so on any worker.
    await ui.call('GET', '/api/version');
    const { traces, metrics, logs } = await collector.received();
    return pids.every((pid) => {
      const of = (sent: Record<string, string[]>) =>
        Object.entries(sent).find(([id]) => id.endsWith(`:${pid}`))?.[1] ?? [];
      return (
        of(traces).includes(EXPECTED.traces) &&
        of(metrics).includes(EXPECTED.metrics) &&
        of(logs).some((line) => EXPECTED.logs.test(line))
      );
    });
  };
  await until(isWhole, { what: 'all workers have sent all three', timeoutMs: PATIENCE_MS, intervalMs: 500 });
  const { traces } = await collector.received();
  expect(Object.keys(traces)).toHaveLength(WORKERS);
});
