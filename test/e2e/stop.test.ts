/** The end: PM2's own commands leave nothing behind. */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { APPS } from '../../src/runtime/contract.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { request } from '../kit/http.ts';
import { OpenWebui } from '../kit/openwebui.ts';
import type { ProcessInfo } from '../kit/proc.ts';
import { untilGone } from '../kit/processes.ts';
import { useScope } from '../kit/vitest.ts';
import { until } from '../kit/wait.ts';

const WORKERS = 2;
/** The preload process, and two processes a worker. */
const PROCESSES = 1 + 2 * WORKERS;
const GONE_TIMEOUT_MS = 10_000;
/** Of two or three starts beside those of another cluster. */
const TIMEOUT_MS = 400_000;

const scope = useScope();

/** A page that stays open must not keep a worker from leaving. */
async function openPage(cluster: Cluster): Promise<void> {
  const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
  await ui.connectSocket(scope);
}

async function isRefused({ url }: Cluster): Promise<boolean> {
  return request(`${url}/health`, { timeoutMs: 1_000 }).then(
    () => false,
    (error: unknown) => String(error).includes('ECONNREFUSED'),
  );
}

async function start(cluster: Cluster): Promise<void> {
  await cluster.pm2.start(cluster.ecosystemFile);
  await cluster.untilServing(WORKERS);
}

async function stop(cluster: Cluster): Promise<void> {
  await openPage(cluster);
  const workers = cluster.pythonWorkers();
  expect(workers).toHaveLength(WORKERS);
  await cluster.pm2.stop(APPS.cluster);
  await untilGone(workers, GONE_TIMEOUT_MS);
  // The preload process was not stopped: the next start is a fork.
  expect(cluster.processes().map(({ pid }) => pid)).toEqual([(await cluster.preload()).pid]);
  await until(() => isRefused(cluster), { what: 'clients are refused', timeoutMs: GONE_TIMEOUT_MS });
  await cluster.pm2.start(APPS.cluster);
  await cluster.untilServing(WORKERS, 10_000);
}

/** Neither a process, nor the control socket, nor anybody who listens. */
async function expectNothingLeft(
  cluster: Cluster,
  end: () => Promise<unknown>,
  processes: () => ProcessInfo[],
  count: number,
): Promise<void> {
  const socket = await cluster.controlSocket();
  const all = processes();
  expect(all).toHaveLength(count);
  expect(existsSync(socket)).toBe(true);
  await end();
  await untilGone(all, GONE_TIMEOUT_MS);
  expect(processes()).toEqual([]);
  expect(existsSync(socket)).toBe(false);
  await expect(request(`${cluster.url}/health`)).rejects.toThrow('ECONNREFUSED');
}

async function expectNoApp(cluster: Cluster, end: () => Promise<unknown>): Promise<void> {
  await openPage(cluster);
  await expectNothingLeft(cluster, end, () => cluster.processes(), PROCESSES);
}

async function expectNoPm2(cluster: Cluster, end: () => Promise<unknown>): Promise<void> {
  await expectNothingLeft(cluster, end, () => cluster.pm2.processes(), 1 + PROCESSES);
}

// At once: each has a PM2 of its own, and a start is mostly one process that imports.
describe.concurrent('nothing is left', () => {
  it(
    'of the cluster after pm2 stop, and it starts again; of either app after pm2 stop all and pm2 delete all',
    async () => {
      const cluster = await startCluster(scope, { workers: WORKERS });
      await stop(cluster);
      await expectNoApp(cluster, () => cluster.pm2.stop('all'));
      await start(cluster);
      await expectNoApp(cluster, () => cluster.pm2.delete('all'));
    },
    TIMEOUT_MS,
  );

  it(
    'after pm2 kill, and after the PM2 daemon was killed',
    async () => {
      const cluster = await startCluster(scope, { workers: WORKERS });
      await openPage(cluster);
      await expectNoPm2(cluster, () => cluster.pm2.kill());
      await start(cluster);
      await expectNoPm2(cluster, async () => {
        const { daemonPid } = cluster.pm2;
        if (daemonPid === undefined) throw new Error('PM2 has no daemon');
        process.kill(daemonPid, 'SIGKILL');
      });
    },
    TIMEOUT_MS,
  );
});
