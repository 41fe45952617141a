/** What PM2's own commands leave behind: nothing. Each way to end a cluster is the last test of a file that has one. */
import { existsSync } from 'node:fs';
import { expect } from 'vitest';
import type { Scope } from '../../src/base/io/scope.ts';
import { untilGone } from '../../src/base/io/started.ts';
import type { ProcessInfo } from '../../src/base/machine/process-table.ts';
import { request } from '../../src/bench/client/http.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import type { Cluster } from './cluster.ts';
import { PATIENCE_MS } from './patience.ts';

/** A page that stays open must not keep a worker from leaving. */
export async function openPage(scope: Scope, cluster: Cluster): Promise<void> {
  const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
  await ui.connectSocket(scope);
}

/** After `end`, which leaves PM2 itself alone. */
export async function expectNoApp(
  scope: Scope,
  cluster: Cluster,
  end: () => Promise<unknown>,
): Promise<void> {
  const workers = cluster.pythonWorkers().length;
  await openPage(scope, cluster);
  // The preload process, and two processes a worker.
  await expectNothing(cluster, end, () => cluster.processes(), 1 + 2 * workers);
}

/** After `end`, which ends PM2 too. */
export async function expectNoPm2(
  scope: Scope,
  cluster: Cluster,
  end: () => Promise<unknown>,
): Promise<void> {
  const workers = cluster.pythonWorkers().length;
  await openPage(scope, cluster);
  await expectNothing(cluster, end, () => cluster.pm2.processes(), 2 + 2 * workers);
}

/** Neither a process, nor the control socket, nor anybody who listens. */
async function expectNothing(
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
  await untilGone(all, PATIENCE_MS);
  expect(processes()).toEqual([]);
  expect(existsSync(socket)).toBe(false);
  await expect(request(`${cluster.url}/health`)).rejects.toThrow('ECONNREFUSED');
}
