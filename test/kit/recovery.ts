import { readFileSync } from 'node:fs';
import { killAll } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { type ProcessInfo, readProcess } from '../../src/base/machine/process-table.ts';
import { CLOCK_TICKS } from '../../src/base/machine/usage.ts';
import { type Cluster, servingPids } from './cluster.ts';
import { PATIENCE_MS } from './patience.ts';

const POLL_MS = 5;

export interface Recovery {
  /** From the signal until a supervisor says that another worker serves. */
  killToServingMs: number;
  /** The part of it from the fork of the new worker. */
  forkToServingMs: number;
}

/** Kills a worker with SIGKILL and waits for the one that takes its place. */
export async function killWorker(cluster: Cluster, victim: ProcessInfo): Promise<Recovery> {
  const socket = await cluster.controlSocket();
  const before = await servingPids(socket);
  const killed = performance.now();
  await killAll([victim]);
  const successor = async () => (await servingPids(socket)).find((pid) => !before.includes(pid));
  const pid = await cluster.explain(() =>
    until(successor, {
      what: 'a worker in the place of the killed one serves',
      timeoutMs: PATIENCE_MS,
      intervalMs: POLL_MS,
    }),
  );
  const killToServingMs = performance.now() - killed;
  const sinceBoot = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
  const started = readProcess(pid);
  if (!started) throw new Error(`worker ${pid} serves, and is gone at once`);
  return { killToServingMs, forkToServingMs: sinceBoot - (Number(started.startTime) * 1000) / CLOCK_TICKS };
}
