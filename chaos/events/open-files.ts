import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { killAll } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { isAlive } from '../../src/base/machine/process-table.ts';
import { CLOCK_TICKS } from '../../src/base/machine/usage.ts';
import { OneConnection, request } from '../../src/bench/client/http.ts';
import type { Cluster } from '../../test/kit/cluster.ts';
import type { ChaosEvent, Site } from '../event.ts';
import { giveUpConnectionsOf, randomWorker } from '../victims.ts';

/** RLIMIT_NOFILE of a worker during the event: well above the number of files that it has open before. */
const WORKER_LIMIT = 300;

/** Idle connections for each worker: more than the limit allows. */
const CONNECTIONS = 350;

/** RLIMIT_NOFILE of the preload process during the event: open files stay open, and no other can be opened. */
const PRELOAD_LIMIT = 3;

/** Share of a core that the preload process may take while it can accept nothing. */
const MOST_CPU = 0.1;
const WATCH_SECONDS = 3;

const TIMEOUT_MS = 30_000;

export const openFiles: ChaosEvent = {
  name: 'open-files',
  title: 'the limit of open files is reached, by the workers, then by the preload process',
  holds:
    'no connection is cut or refused, nothing spins, the log says so, and everything continues by itself',
  runs: { long: 3, short: 1 },
  async run(site, runs) {
    const servesAgainMs: number[] = [];
    const violations: string[] = [];
    for (let run = 0; run < runs; run++) {
      servesAgainMs.push(await exhaustWorkers(site, violations));
      servesAgainMs.push(await exhaustPreload(site, violations));
      const [workers, preload] = servesAgainMs.slice(-2);
      site.say(
        `run ${run + 1} of ${runs}: workers ${workers?.toFixed(0)} ms, preload ${preload?.toFixed(0)} ms`,
      );
    }
    return { servesAgainMs, violations };
  },
};

/** Milliseconds until a new connection is answered, after the others have closed. */
async function exhaustWorkers({ cluster, load }: Site, violations: string[]): Promise<number> {
  const workers = cluster.pythonWorkers();
  const restore = await limitFiles(workers, WORKER_LIMIT);
  const idle: Socket[] = [];
  let cut = 0;
  try {
    const [errors, outs] = [await errorLogs(cluster), await outLogs(cluster)];
    for (let number = 0; number < CONNECTIONS * workers.length; number++) {
      const socket = connect(cluster.port, '127.0.0.1');
      socket.on('error', () => undefined); // 'close' counts it
      socket.on('close', () => {
        cut += 1;
      });
      idle.push(socket);
    }
    await untilSaid(errors, () => errorLogs(cluster), /connections are all that the limit of open files/);
    // Requests on earlier connections continue.
    await load.proceed(50);
    if (cut > 0) violations.push(`${cut} connections beyond the limit were cut`);
    const late = new OneConnection();
    const answer = request(`${cluster.url}/ready`, { agent: late, timeoutMs: TIMEOUT_MS });
    answer.catch(() => undefined);
    const begun = performance.now();
    for (const socket of idle) socket.removeAllListeners('close').destroy();
    const { status } = await answer;
    const servesAgainMs = performance.now() - begun;
    if (status !== 200) violations.push(`the waiting connection was answered with ${status}`);
    late.destroy();
    await untilSaid(outs, () => outLogs(cluster), /connections are taken again/);
    if (!workers.every(isAlive)) violations.push('a worker ended');
    return servesAgainMs;
  } finally {
    for (const socket of idle) socket.destroy();
    await restore();
  }
}

/** Milliseconds until all workers serve again, after the preload process can open files again. */
async function exhaustPreload(site: Site, violations: string[]): Promise<number> {
  const { cluster, load, workers } = site;
  const { pid } = await cluster.preload();
  const restore = await limitFiles([{ pid }], PRELOAD_LIMIT);
  try {
    const log = await cluster.preloadLog();
    const victim = randomWorker(site);
    giveUpConnectionsOf(site, victim);
    await killAll([victim]);
    await untilSaid([log], async () => [await cluster.preloadLog()], /cannot be taken: Too many open files/);
    const before = cpuTicks(pid);
    await sleep(WATCH_SECONDS * 1000);
    const share = (cpuTicks(pid) - before) / CLOCK_TICKS / WATCH_SECONDS;
    if (share > MOST_CPU) violations.push(`the preload process took ${(share * 100).toFixed(0)} % of a core`);
    await load.proceed(50);
  } finally {
    await restore();
  }
  const begun = performance.now();
  await cluster.untilServing(workers);
  const servesAgainMs = performance.now() - begun;
  if ((await cluster.preload()).pid !== pid) violations.push('the preload process ended');
  return servesAgainMs;
}

/** Sets the soft limit of running processes. The returned function restores the limit of each. */
async function limitFiles(processes: { pid: number }[], limit: number): Promise<() => Promise<void>> {
  const before = processes.map(({ pid }) => {
    const [, soft = ''] = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8')) ?? [];
    return { pid, soft };
  });
  const set = (pid: number, soft: number | string) =>
    execa('prlimit', ['--pid', `${pid}`, `--nofile=${soft}:`]);
  for (const { pid } of before) await set(pid, limit);
  return async () => {
    // A process that has ended needs no limit.
    for (const { pid, soft } of before) await set(pid, soft).catch(() => undefined);
  };
}

/** Waits until each log has an additional line that matches. */
async function untilSaid(before: string[], read: () => Promise<string[]>, line: RegExp): Promise<void> {
  const times = (log = '') => log.match(new RegExp(line, 'g'))?.length ?? 0;
  await until(async () => (await read()).every((log, index) => times(log) > times(before[index])), {
    what: `each log says ${line}`,
    timeoutMs: TIMEOUT_MS,
    intervalMs: 100,
  });
}

async function errorLogs(cluster: Cluster): Promise<string[]> {
  return (await cluster.instances()).map(({ pm2_env }) => readFileSync(pm2_env.pm_err_log_path, 'utf8'));
}

async function outLogs(cluster: Cluster): Promise<string[]> {
  return (await cluster.instances()).map(({ pm2_env }) => readFileSync(pm2_env.pm_out_log_path, 'utf8'));
}

/** User and system time (proc(5), fields 14 and 15). */
function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
