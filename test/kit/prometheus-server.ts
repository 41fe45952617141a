/** A real Prometheus that reads the metrics of a cluster. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { findPrometheus } from '../../scripts/prometheus.mjs';
import type { Scope } from '../../src/base/io/scope.ts';
import { startProcess, untilServing } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { request } from '../../src/bench/client/http.ts';
import { JOB, renderAlerts } from '../../src/render/watching/alerts.ts';
import { PATIENCE_MS } from './patience.ts';
import { freePort } from './ports.ts';

/** Seconds between two scrapes, and two looks at the rules. */
const INTERVAL = 2;

const Answer = z.object({ status: z.literal('success'), data: z.unknown() });
const Vector = z.object({
  result: z.array(
    z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) }),
  ),
});
const Rules = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({
          name: z.string(),
          health: z.enum(['unknown', 'ok', 'err']),
          state: z.enum(['inactive', 'pending', 'firing']),
        }),
      ),
    }),
  ),
});

export interface Prometheus {
  /** Values of a query now; NaN for one that is no number, or infinite. */
  query(expr: string): Promise<{ labels: Record<string, string>; value: number }[]>;
  /** The alerts. */
  rules(): Promise<z.infer<typeof Rules>['groups'][number]['rules']>;
}

/** Reads the metrics at a port of this machine, with the alerts as they are printed. */
export async function startPrometheus(scope: Scope, metricsPort: number): Promise<Prometheus> {
  const found = findPrometheus();
  if (!found) throw new Error('there is no Prometheus');
  const folder = await temporaryFolder(scope, 'prometheus');
  const address = `127.0.0.1:${await freePort()}`;
  await writeFile(join(folder, 'alerts.yml'), renderAlerts());
  const configuration = {
    global: { scrape_interval: `${INTERVAL}s`, evaluation_interval: `${INTERVAL}s` },
    rule_files: ['alerts.yml'],
    scrape_configs: [{ job_name: JOB, static_configs: [{ targets: [`127.0.0.1:${metricsPort}`] }] }],
  };
  // YAML has JSON in it.
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(configuration));
  const server = await startProcess(
    scope,
    found.server,
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    { log: join(folder, 'log') },
  );
  const ask = async (path: string): Promise<unknown> => {
    const { status, body } = await request(`http://${address}/${path}`);
    if (status !== 200) throw new Error(`${path}: ${status} ${body}`);
    return Answer.parse(JSON.parse(body)).data;
  };
  await untilServing(server, async () => (await request(`http://${address}/-/ready`)).status === 200, {
    what: 'Prometheus is ready',
    timeoutMs: PATIENCE_MS,
  });
  return {
    async query(expr) {
      const { result } = Vector.parse(await ask(`api/v1/query?query=${encodeURIComponent(expr)}`));
      return result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }));
    },
    async rules() {
      return Rules.parse(await ask('api/v1/rules?type=alert')).groups.flatMap(({ rules }) => rules);
    },
  };
}
