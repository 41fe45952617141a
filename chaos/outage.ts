/** The common part of all events in which a service stops and comes back. */
import { readFileSync } from 'node:fs';
import type { Cluster } from '../test/kit/cluster.ts';
import type { Observation, Site } from './event.ts';
import { untilLive } from './live.ts';

const RECOVERY_TIMEOUT_MS = 90_000;

/** The most lines that a worker may log about an outage. The app itself may log a few. */
const MOST_LINES = 15;

export interface Outage {
  /** Its name in the worker's log. */
  service: 'Redis' | 'the database';
  /** Milliseconds from the return of the service until everything works again. */
  limitMs: number;
  /** Stops the service. Returns the time (of performance.now()) from which the recovery counts. */
  happen(): Promise<number>;
}

/** Runs the outage. Checks that no worker dies, live updates recover in time, and each log has its two lines. */
export async function watchOutage(site: Site, { service, limitMs, happen }: Outage): Promise<Observation> {
  const { cluster, say } = site;
  const before = pidsOf(cluster);
  const logs = await readLogs(cluster);
  const since = await happen();
  const live = await untilLive(site, since, RECOVERY_TIMEOUT_MS);
  await site.load.proceed(50);
  const violations: string[] = [];
  if (pidsOf(cluster) !== before) violations.push(`a worker died: ${before} → ${pidsOf(cluster)}`);
  if (live > limitMs) violations.push(`live updates worked again only after ${live.toFixed(0)} ms`);
  for (const [path, text] of await readLogs(cluster)) {
    const added = text.slice(logs.get(path)?.length ?? 0);
    const lines = added.split('\n').filter(Boolean);
    const lost = lines.filter((line) => line.includes(`${service} is lost`)).length;
    const back = lines.filter((line) => line.includes(`${service} answers again`)).length;
    say(
      `${path.split('/').at(-1)}: ${lines.length} lines, ${lost} of them about the loss and ${back} about the return`,
    );
    if (lines.length > MOST_LINES)
      violations.push(`${path} got ${lines.length} lines: ${lines.slice(0, 3).join(' / ')}`);
    if (path.includes('error') && (lost !== 1 || back !== 1)) {
      violations.push(`${path} reports the loss ${lost} times and the return ${back} times`);
    }
  }
  return { servesAgainMs: [live], violations };
}

function pidsOf(cluster: Cluster): string {
  return cluster
    .pythonWorkers()
    .map(({ pid }) => pid)
    .sort()
    .join(', ');
}

/** The logs of the workers, by path. */
async function readLogs(cluster: Cluster): Promise<Map<string, string>> {
  const paths = (await cluster.instances()).flatMap(({ pm2_env }) => [
    pm2_env.pm_out_log_path,
    pm2_env.pm_err_log_path,
  ]);
  return new Map(paths.map((path) => [path, readFileSync(path, 'utf8')]));
}
