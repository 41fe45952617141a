import { readFileSync } from 'node:fs';
import { type Cluster, servingPids } from './cluster.ts';
import { type ProcessInfo, readProcess } from './proc.ts';
import { killAll } from './processes.ts';
import { until } from './wait.ts';

const SERVES_TIMEOUT_MS = 60_000;
const POLL_MS = 5;

/** proc(5) counts start times in ticks of sysconf(_SC_CLK_TCK), which is 100 on every Linux that Node runs on. */
const MS_PER_TICK = 10;

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
      timeoutMs: SERVES_TIMEOUT_MS,
      intervalMs: POLL_MS,
    }),
  );
  const killToServingMs = performance.now() - killed;
  const sinceBoot = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
  const started = readProcess(pid);
  if (!started) throw new Error(`worker ${pid} serves, and is gone at once`);
  return { killToServingMs, forkToServingMs: sinceBoot - Number(started.startTime) * MS_PER_TICK };
}
