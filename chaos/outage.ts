/** What every event has in common in which a service goes away under a cluster and comes back. */
import { readFileSync } from 'node:fs';
import type { Cluster } from '../test/kit/cluster.ts';
import type { Observation, Site } from './event.ts';
import { untilLive } from './live.ts';
import type { ChaosReport } from './load.ts';

const RECOVERY_TIMEOUT_MS = 90_000;

/** Lines that a worker may log of an outage: the app has a few whose words nobody knows beforehand. */
const MOST_LINES = 15;

export interface Outage {
  /** As the worker's log calls it. */
  service: 'Redis' | 'the database';
  /** Milliseconds from the return of the service until it is whole again. */
  limitMs: number;
  /** Takes the service away, and returns (of performance.now()) from when on the recovery counts. */
  happen(): Promise<number>;
}

/** Runs it and looks: no worker died, it lives again in time, each worker's log says so in two lines. */
export async function watchOutage(site: Site, { service, limitMs, happen }: Outage): Promise<Observation> {
  const { cluster, say } = site;
  const before = pidsOf(cluster);
  const logs = await readLogs(cluster);
  const since = await happen();
  const live = await untilLive(site, since, RECOVERY_TIMEOUT_MS);
  await site.load.proceed(50);
  const violations: string[] = [];
  if (pidsOf(cluster) !== before) violations.push(`a worker died: ${before} → ${pidsOf(cluster)}`);
  if (live > limitMs) violations.push(`it was whole again after ${live.toFixed(0)} ms only`);
  for (const [path, text] of await readLogs(cluster)) {
    const added = text.slice(logs.get(path)?.length ?? 0);
    const lines = added.split('\n').filter(Boolean);
    const lost = lines.filter((line) => line.includes(`${service} is lost`)).length;
    const back = lines.filter((line) => line.includes(`${service} answers again`)).length;
    say(
      `${path.split('/').at(-1)}: ${lines.length} lines, of them ${lost} of the loss and ${back} of the return`,
    );
    if (lines.length > MOST_LINES)
      violations.push(`${path} got ${lines.length} lines: ${lines.slice(0, 3).join(' / ')}`);
    if (path.includes('error') && (lost !== 1 || back !== 1)) {
      violations.push(`${path} tells ${lost} times of the loss, ${back} times of the return`);
    }
  }
  return { servesAgainMs: [live], violations };
}

/** What fails while a service is away is no fault; a connection that is refused is, for no worker needs to leave. */
export function onlyFailedMeanwhile({ refused, socketsLost }: ChaosReport): string[] {
  return [
    ...(refused > 0 ? [`${refused} connections were refused`] : []),
    ...(socketsLost > 0 ? [`${socketsLost} sockets did not come back`] : []),
  ];
}

function pidsOf(cluster: Cluster): string {
  return cluster
    .pythonWorkers()
    .map(({ pid }) => pid)
    .sort()
    .join(', ');
}

/** The logs of the workers, by their paths. */
async function readLogs(cluster: Cluster): Promise<Map<string, string>> {
  const paths = (await cluster.instances()).flatMap(({ pm2_env }) => [
    pm2_env.pm_out_log_path,
    pm2_env.pm_err_log_path,
  ]);
  return new Map(paths.map((path) => [path, readFileSync(path, 'utf8')]));
}
