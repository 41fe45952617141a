import { readFileSync } from 'node:fs';
import { APPS } from '../../src/runtime/contract.ts';
import type { Cluster } from './cluster.ts';
import type { ProcessInfo } from './proc.ts';
import { killAll } from './processes.ts';
import { until } from './wait.ts';

const ONLINE_TIMEOUT_MS = 60_000;
const POLL_MS = 5;

/** proc(5) counts start times in ticks of sysconf(_SC_CLK_TCK), which is 100 on every Linux that Node runs on. */
const MS_PER_TICK = 10;

export interface Recovery {
  /** From the signal until PM2 calls the instance online, which it does when the new worker serves. */
  killToServingMs: number;
  /** The part of it from the fork of the new worker. */
  forkToServingMs: number;
}

/** Kills a worker with SIGKILL and waits for the one that takes its place. */
export async function killWorker(cluster: Cluster, victim: ProcessInfo): Promise<Recovery> {
  const before = new Set(cluster.pythonWorkers().map(({ pid }) => pid));
  const online = cluster.pm2.timesOnline(APPS.cluster);
  const killed = performance.now();
  await killAll([victim]);
  const isBack = () => cluster.pm2.timesOnline(APPS.cluster) > online;
  const what = 'a worker in the place of the killed one is online';
  await cluster.explain(() => until(isBack, { what, timeoutMs: ONLINE_TIMEOUT_MS, intervalMs: POLL_MS }));
  const killToServingMs = performance.now() - killed;
  const sinceBoot = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
  const successor = cluster.pythonWorkers().find(({ pid }) => !before.has(pid));
  if (!successor) throw new Error('PM2 calls the instance online, but there is no new worker');
  return { killToServingMs, forkToServingMs: sinceBoot - Number(successor.startTime) * MS_PER_TICK };
}
