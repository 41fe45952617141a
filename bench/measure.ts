/** What is measured on a running server: each function returns samples, and fails when nothing was measured. */
import { APPS } from '../src/runtime/contract.ts';
import type { Cluster } from '../test/kit/cluster.ts';
import { type LoadReport, startLoad } from '../test/kit/load.ts';
import { MIB, readMemory, sumMemory } from '../test/kit/memory.ts';
import { OpenWebui } from '../test/kit/openwebui.ts';
import { untilGone } from '../test/kit/processes.ts';
import { killWorker, type Recovery } from '../test/kit/recovery.ts';
import { Scope } from '../test/kit/scope.ts';
import type { Services } from '../test/kit/services.ts';
import { wholeAnswer } from '../test/kit/upstream.ts';

const CONNECTIONS = 12;
const REQUESTS = 1_500;
const CHATS = 20;
const KILLS = 5;
const RELOADS = 5;
const LEAVE_TIMEOUT_MS = 120_000;
/** Some 10 s where nothing else runs. */
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

/** What users do: the same for every server, so that what it leaves in memory can be compared. */
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

/** MiB of the whole tree, PM2's daemon aside. */
export function treePss(processes: { pid: number }[]): number {
  return sumMemory(processes).pss / MIB;
}

/** MiB that each worker has for itself: the Python process and its supervisor in Node. */
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

export async function preloadRestartUnderLoad(cluster: Cluster, workers: number): Promise<LoadReport> {
  const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
  const load = listChats(cluster, ui);
  await load.proceed(100);
  const former = cluster.pythonWorkers();
  await cluster.pm2.restart(APPS.preload);
  await untilGone(former, LEAVE_TIMEOUT_MS);
  await cluster.untilServing(workers);
  const next = cluster.pythonWorkers();
  await cluster.pm2.reload(APPS.cluster);
  await untilGone(next, LEAVE_TIMEOUT_MS);
  await load.proceed(100);
  const report = await load.stop();
  await cluster.untilServing(workers);
  return report;
}
