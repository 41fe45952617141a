/** Measurements on a running server. Each function returns samples, and throws if nothing was measured. */

import { Scope } from '../src/base/io/scope.ts';
import { untilGone } from '../src/base/io/started.ts';
import { readMemory, sumMemory } from '../src/base/machine/process-memory.ts';
import { MIB } from '../src/base/units.ts';
import { type LoadReport, startLoad } from '../src/bench/client/load.ts';
import { OpenWebui } from '../src/bench/client/open-webui.ts';
import { wholeAnswer } from '../src/bench/scratch/upstream.ts';
import { APPS } from '../src/runtime/contract.ts';
import type { Cluster } from '../test/kit/cluster.ts';
import { killWorker, type Recovery } from '../test/kit/recovery.ts';
import type { Services } from '../test/kit/services.ts';

const CONNECTIONS = 12;
const REQUESTS = 1_500;
const CHATS = 20;
const KILLS = 5;
const RELOADS = 5;
const LEAVE_TIMEOUT_MS = 120_000;
/** Some 10 s on an idle machine. */
const TRAFFIC_TIMEOUT_MS = 300_000;

interface Server {
  url: string;
  services: Services;
}

function listChats(server: Server, ui: OpenWebui) {
  return startLoad({
    url: `${server.url}/api/v1/chats/?page=1`,
    headers: ui.headers,
    connections: CONNECTIONS,
  });
}

/** A load like that of users. It is the same for every server, so that the memory afterwards can be compared. */
export async function traffic(server: Server): Promise<LoadReport> {
  const scope = new Scope();
  try {
    const ui = await OpenWebui.signIn(server.url, server.services.admin);
    const page = await ui.connectSocket(scope);
    for (let index = 0; index < CHATS; index++) {
      const prompt = `bench${index}`;
      const { text } = await ui.chat(page, prompt);
      if (text !== wholeAnswer(prompt, server.services.upstream.pace))
        throw new Error(`broken answer: ${text}`);
    }
    const { collection } = await ui.upload('notes.txt', 'The heron waits for a fish.\n\n'.repeat(100));
    if ((await ui.query(collection, 'heron')).length === 0) throw new Error('the uploaded file is not found');
    const load = listChats(server, ui);
    await load.proceed(REQUESTS, TRAFFIC_TIMEOUT_MS);
    return await load.stop();
  } finally {
    await scope.close();
  }
}

/** PSS of all processes without PM2's daemon, in MiB. */
export function treePss(processes: { pid: number }[]): number {
  return sumMemory(processes).pss / MIB;
}

/** Private memory of each worker, in MiB: the Python process and its supervisor in Node. */
export async function privatePerWorker(cluster: Cluster): Promise<number[]> {
  const instances = await cluster.instances();
  const pids = await cluster.workerPids();
  return instances.map(({ pid, pm_id }) => {
    const worker = pids.get(pm_id);
    if (worker === undefined) throw new Error(`instance ${pm_id} has no worker`);
    return (readMemory(pid).private + readMemory(worker).private) / MIB;
  });
}

export async function recoveries(cluster: Cluster, workers: number): Promise<Recovery[]> {
  const samples: Recovery[] = [];
  for (let round = 0; round < KILLS; round++) {
    const [victim] = cluster.pythonWorkers();
    if (!victim) throw new Error('there is no worker to kill');
    samples.push(await killWorker(cluster, victim));
    await cluster.untilServing(workers);
  }
  return samples;
}

export async function reloadsUnderLoad(cluster: Cluster, workers: number): Promise<LoadReport> {
  const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
  const load = listChats(cluster, ui);
  await load.proceed(100);
  for (let round = 0; round < RELOADS; round++) {
    const former = cluster.pythonWorkers();
    await cluster.pm2.reload(APPS.cluster);
    await untilGone(former, LEAVE_TIMEOUT_MS);
    await load.proceed(100);
  }
  const report = await load.stop();
  await cluster.untilServing(workers);
  return report;
}

export interface Renewals {
  load: LoadReport;
  /** Seconds until all workers are of the new generation: after `pm2 restart` of the preload process, and after its kill. */
  seconds: number[];
}

export async function preloadRestartUnderLoad(cluster: Cluster, workers: number): Promise<Renewals> {
  const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
  const load = listChats(cluster, ui);
  await load.proceed(100);
  const seconds: number[] = [];
  const ends = [
    () => cluster.pm2.restart(APPS.preload),
    async () => process.kill((await cluster.preload()).pid, 'SIGKILL'),
  ];
  for (const end of ends) {
    const former = cluster.pythonWorkers();
    const begun = performance.now();
    await end();
    await untilGone(former, LEAVE_TIMEOUT_MS);
    await cluster.untilServing(workers);
    seconds.push((performance.now() - begun) / 1000);
  }
  const next = cluster.pythonWorkers();
  await cluster.pm2.reload(APPS.cluster);
  await untilGone(next, LEAVE_TIMEOUT_MS);
  await load.proceed(100);
  const report = await load.stop();
  await cluster.untilServing(workers);
  return { load: report, seconds };
}
