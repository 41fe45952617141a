/** `--runtime uvicorn`: one app of PM2, and below it Open WebUI's own server with its own workers. */

import { until } from '../../src/base/io/wait.ts';
import { type ProcessInfo, processTree } from '../../src/base/machine/process-table.ts';
import { connectionsByWorker } from '../../src/bench/client/connections.ts';
import { OneConnection, request } from '../../src/bench/client/http.ts';
import { isUvicornWorker } from '../../src/bench/contest/theirs.ts';
import { APPS } from '../../src/runtime/contract.ts';
import type { Cluster } from './cluster.ts';

/** Three imports of the app, one after another: each takes 14 s on a quiet machine, and minutes on a busy one. */
export const START_TIMEOUT_MS = 400_000;
const CONNECTIONS_A_WORKER = 8;

/** The process that PM2 started: the only worker, or the parent of all. */
export async function uvicornServer(cluster: Cluster): Promise<number> {
  const [app] = await cluster.instances();
  if (!app?.pid) throw new Error(`PM2 does not run ${APPS.cluster}`);
  return app.pid;
}

/** The parent's workers. */
export function uvicornWorkers(serverPid: number): ProcessInfo[] {
  return processTree(serverPid).filter(isUvicornWorker);
}

/** Starts it, and waits until every worker has accepted a connection and answered on it. */
export async function startUvicorn(cluster: Cluster, workers: number): Promise<void> {
  await cluster.pm2.start(cluster.ecosystemFile);
  await untilUvicornServes(cluster, workers);
}

export async function untilUvicornServes(cluster: Cluster, workers: number): Promise<void> {
  const serving = async () => {
    const server = await uvicornServer(cluster);
    const expected = workers === 1 ? processTree(server).slice(0, 1) : uvicornWorkers(server);
    if (expected.length !== workers) throw new Error(`${expected.length} workers of ${workers}`);
    await connectToAll(cluster, expected);
    return true;
  };
  await cluster.explain(() =>
    until(serving, {
      what: `${workers} workers of uvicorn serve`,
      timeoutMs: START_TIMEOUT_MS,
      intervalMs: 100,
    }),
  );
}

/** All at once: of connections that come one after another, a worker that is always a little later gets none. */
async function connectToAll({ url, port }: Cluster, workers: ProcessInfo[]): Promise<void> {
  const connections = Array.from(
    { length: CONNECTIONS_A_WORKER * workers.length },
    () => new OneConnection(),
  );
  try {
    await Promise.all(connections.map((agent) => request(`${url}/health`, { agent })));
    const counts = [...connectionsByWorker(port, workers).values()];
    if (counts.includes(0)) throw new Error(`connections of each worker: ${counts.join(', ')}`);
  } finally {
    for (const connection of connections) connection.destroy();
  }
}
