/** The end: PM2's own commands leave nothing behind. */
import { existsSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { APPS } from '../../src/runtime/contract.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { request } from '../kit/http.ts';
import { OpenWebui } from '../kit/openwebui.ts';
import { untilGone } from '../kit/processes.ts';
import { useScope } from '../kit/vitest.ts';
import { until } from '../kit/wait.ts';

const WORKERS = 2;
/** The preload process, and two processes a worker. */
const PROCESSES = 1 + 2 * WORKERS;
const GONE_TIMEOUT_MS = 10_000;

const scope = useScope();
let cluster: Cluster;
let socket: string;

beforeAll(async () => {
  cluster = await startCluster(scope, { workers: WORKERS });
  socket = await cluster.controlSocket();
});

/** A page that stays open must not keep a worker from leaving. */
async function openPage(): Promise<void> {
  const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
  await ui.connectSocket(scope);
}

async function isRefused(): Promise<boolean> {
  return request(`${cluster.url}/health`, { timeoutMs: 1_000 }).then(
    () => false,
    (error: unknown) => String(error).includes('ECONNREFUSED'),
  );
}

async function expectRefused(): Promise<void> {
  await expect(request(`${cluster.url}/health`)).rejects.toThrow('ECONNREFUSED');
}

describe.sequential('nothing is left', () => {
  it('of the cluster after pm2 stop, and it starts again', async () => {
    await openPage();
    const workers = cluster.pythonWorkers();
    expect(workers).toHaveLength(WORKERS);
    await cluster.pm2.stop(APPS.cluster);
    await untilGone(workers, GONE_TIMEOUT_MS);
    // The preload process was not stopped: the next start is a fork.
    expect(cluster.processes().map(({ pid }) => pid)).toEqual([(await cluster.preload()).pid]);
    await until(() => isRefused(), { what: 'clients are refused', timeoutMs: GONE_TIMEOUT_MS });
    await cluster.pm2.start(APPS.cluster);
    await cluster.untilServing(WORKERS, 10_000);
  });

  it('of either app after pm2 stop all', async () => {
    await openPage();
    const all = cluster.processes();
    expect(all).toHaveLength(PROCESSES);
    expect(existsSync(socket)).toBe(true);
    await cluster.pm2.stop('all');
    await untilGone(all, GONE_TIMEOUT_MS);
    expect(cluster.processes()).toEqual([]);
    expect(existsSync(socket)).toBe(false);
    await expectRefused();
  });

  it('after pm2 delete all', async () => {
    await cluster.pm2.start(cluster.ecosystemFile);
    await cluster.untilServing(WORKERS);
    await openPage();
    const all = cluster.processes();
    expect(all).toHaveLength(PROCESSES);
    expect(existsSync(socket)).toBe(true);
    await cluster.pm2.delete('all');
    await untilGone(all, GONE_TIMEOUT_MS);
    expect(cluster.processes()).toEqual([]);
    expect(existsSync(socket)).toBe(false);
    await expectRefused();
  });

  it('after pm2 kill', async () => {
    await cluster.pm2.start(cluster.ecosystemFile);
    await cluster.untilServing(WORKERS);
    await openPage();
    const all = cluster.pm2.processes();
    expect(all).toHaveLength(1 + PROCESSES);
    expect(existsSync(socket)).toBe(true);
    await cluster.pm2.kill();
    await untilGone(all, GONE_TIMEOUT_MS);
    expect(cluster.pm2.processes()).toEqual([]);
    expect(existsSync(socket)).toBe(false);
    await expectRefused();
  });

  it('after the PM2 daemon was killed', async () => {
    await cluster.pm2.start(cluster.ecosystemFile);
    await cluster.untilServing(WORKERS);
    const all = cluster.pm2.processes();
    expect(all).toHaveLength(1 + PROCESSES);
    const { daemonPid } = cluster.pm2;
    if (daemonPid === undefined) throw new Error('PM2 has no daemon');
    process.kill(daemonPid, 'SIGKILL');
    await untilGone(all, GONE_TIMEOUT_MS);
    expect(existsSync(socket)).toBe(false);
    await expectRefused();
  });
});
