/** Without Hugging Face: no worker waits for it, and once it is there, the model comes and nobody notices. */
import { dirname } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { APPS, ENV } from '../../src/runtime/contract.ts';
import { missingModels, readModelsState } from '../../src/runtime/models-state.ts';
import { type Cluster, planCluster } from '../kit/cluster.ts';
import { MODEL, placeModel, startBlackHole, startHub } from '../kit/hub.ts';
import { startLoad } from '../kit/load.ts';
import { OpenWebui } from '../kit/openwebui.ts';
import { freePort } from '../kit/ports.ts';
import { untilGone } from '../kit/processes.ts';
import { killWorker } from '../kit/recovery.ts';
import { Scope } from '../kit/scope.ts';
import { temporaryFolder } from '../kit/temp.ts';
import { startUvicorn, untilUvicornServes } from '../kit/uvicorn.ts';
import { until } from '../kit/wait.ts';

const WORKERS = 2;
const ROUNDS = 5;
const TIMEOUT_MS = 600_000;

/** What must hold. */
const FORK_TO_SERVING_MS = 500;
const KILL_TO_SERVING_MS = 1_000;
/** What models may cost a start, and what two starts differ by anyway on a busy machine. */
const START_MS = 5_000;
const NOISE_MS = 5_000;

const DOCUMENT = `${'The lighthouse of Windhaven was built by Mara Quill in 1843. '.repeat(3)}

${'Bread rises because yeast makes gas out of sugar. '.repeat(3)}`;

let scope = new Scope();
afterEach(async () => {
  await scope.close();
  scope = new Scope();
});

interface Started {
  cluster: Cluster;
  tookMs: number;
}

function plan(endpoint: string, hfHome: string, args: string[], workers = WORKERS): Promise<Cluster> {
  return planCluster(scope, {
    workers,
    embeddings: 'local',
    args,
    settings: {
      RAG_EMBEDDING_MODEL: MODEL,
      HF_HUB_OFFLINE: '',
      OFFLINE_MODE: 'false',
      HF_ENDPOINT: endpoint,
      HF_HOME: hfHome,
    },
  });
}

async function start(endpoint: string, hfHome: string, args: string[] = []): Promise<Started> {
  const cluster = await plan(endpoint, hfHome, args);
  const started = performance.now();
  await cluster.pm2.start(cluster.ecosystemFile);
  await cluster.untilServing(WORKERS);
  return { cluster, tookMs: performance.now() - started };
}

/** Smallest, middle and largest, in whole milliseconds. */
function spread(figures: number[]): { min: number; median: number; max: number } {
  const sorted = figures.map(Math.round).sort((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  return { min: at(0), median: at(Math.floor(sorted.length / 2)), max: at(sorted.length - 1) };
}

function tell(what: string, figures: number[]): void {
  const { min, median, max } = spread(figures);
  process.stderr.write(`${what}: min ${min}, median ${median}, max ${max} ms\n`);
}

async function expectQuickWorkers(cluster: Cluster, what: string): Promise<void> {
  const recoveries = [];
  for (let round = 0; round < ROUNDS; round++) {
    const [victim] = cluster.pythonWorkers();
    if (!victim) throw new Error('there is no worker');
    recoveries.push(await killWorker(cluster, victim));
    await cluster.untilServing(WORKERS);
  }
  const forks = recoveries.map(({ forkToServingMs }) => forkToServingMs);
  const kills = recoveries.map(({ killToServingMs }) => killToServingMs);
  tell(`${what}: from fork to serving`, forks);
  tell(`${what}: from kill -9 to serving`, kills);
  expect(spread(forks).median).toBeLessThanOrEqual(FORK_TO_SERVING_MS);
  expect(spread(kills).median).toBeLessThanOrEqual(KILL_TO_SERVING_MS);
}

async function expectQuietReloads(cluster: Cluster, what: string): Promise<void> {
  const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
  const url = `${cluster.url}/api/v1/chats/?page=1`;
  const load = startLoad({ url, headers: ui.headers, connections: 12 });
  await load.proceed(50);
  const reloads: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = cluster.pythonWorkers();
    expect(before.length).toBeGreaterThanOrEqual(WORKERS);
    const started = performance.now();
    await cluster.pm2.reload(APPS.cluster);
    reloads.push(performance.now() - started);
    await untilGone(before, 60_000);
    await load.proceed(20);
  }
  const report = await load.stop();
  tell(`${what}: a reload of ${WORKERS} workers under load`, reloads);
  process.stderr.write(`${what}: ${report.answered} requests, ${report.failed} failed\n`);
  expect(report.failures).toEqual([]);
  expect(report.answered).toBeGreaterThan(150);
}

function documentsOf(cluster: Cluster): () => Promise<string[]> {
  return async () => {
    const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
    const { collection } = await ui.upload('facts.txt', DOCUMENT);
    return ui.query(collection, 'Who built the lighthouse?');
  };
}

describe('with Hugging Face in a black hole', () => {
  it(
    'workers start as fast as ever, whether the embedding model is here or not',
    async () => {
      const hole = await startBlackHole(scope);
      const homes = { here: await temporaryFolder(scope, 'hf'), absent: await temporaryFolder(scope, 'hf') };
      await placeModel(homes.here);

      const here = await start(hole, homes.here);
      await expectQuickWorkers(here.cluster, 'model here');
      await expectQuietReloads(here.cluster, 'model here');
      expect((await documentsOf(here.cluster)()).join('\n')).toContain('Mara Quill');
      expect(await stateOf(here.cluster)).toMatchObject({
        endpoint: hole,
        offline: false,
        models: [{ kind: 'embedding', name: MODEL, here: true, reason: '' }],
      });
      expect(await here.cluster.preloadLog()).toContain('loaded the embedding model');
      await here.cluster.pm2.kill();

      const absent = await start(hole, homes.absent);
      await expectQuickWorkers(absent.cluster, 'model absent');
      await expectQuietReloads(absent.cluster, 'model absent');
      const state = await stateOf(absent.cluster);
      expect(state).toMatchObject({ offline: true, models: [{ here: false }] });
      const [line = 'none'] = state ? missingModels(state) : [];
      // What `status` shows is what the log said at the start.
      expect(await absent.cluster.preloadLog()).toContain('no answer within 5 s');
      expect(line).toContain(`the embedding model ${MODEL} is not on this machine: documents cannot be read`);

      const figures = [here.tookMs, absent.tookMs].map((ms) => (ms / 1000).toFixed(1));
      process.stderr.write(`start with the model: ${figures[0]} s, without: ${figures[1]} s\n`);
      expect(absent.tookMs - here.tookMs).toBeLessThan(START_MS + NOISE_MS);
    },
    TIMEOUT_MS,
  );
});

async function stateOf(cluster: Cluster) {
  const [instance] = await cluster.instances();
  return readModelsState(dirname(String(instance?.pm2_env[ENV.controlSocket])));
}

describe('a hub that is not there at first', () => {
  it(
    'is asked again: the model comes, the workers are replaced, and no request fails',
    async () => {
      const port = await freePort();
      const { cluster } = await start(`http://127.0.0.1:${port}`, await temporaryFolder(scope, 'hf'));
      const documents = documentsOf(cluster);
      await expect(documents()).rejects.toThrow();
      const [line = 'none'] = missingModels((await stateOf(cluster)) ?? expect.fail('no state'));
      expect(await cluster.preloadLog()).toContain(line);
      expect(line).toContain('the connection is refused');

      const preload = (await cluster.preload()).pid;
      const before = cluster.pythonWorkers();
      const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
      const url = `${cluster.url}/api/v1/chats/?page=1`;
      const load = startLoad({ url, headers: ui.headers, connections: 12 });
      await load.proceed(50);
      await startHub(scope, port);
      await untilGone(before, 240_000);
      await load.proceed(50);
      const report = await load.stop();
      await cluster.untilServing(WORKERS);
      process.stderr.write(`model fetched later: ${report.answered} requests, ${report.failed} failed\n`);
      expect(report.failures).toEqual([]);
      expect(report.answered).toBeGreaterThan(100);

      const log = await cluster.preloadLog();
      expect(log).toContain('MiB');
      expect(log).toContain(`loaded the embedding model ${MODEL} for all workers`);
      expect((await documents()).join('\n')).toContain('Mara Quill');
      expect(await stateOf(cluster)).toMatchObject({ offline: false, models: [{ here: true }] });
      const after = await cluster.preload();
      expect(after.pid).toBe(preload);
      expect(after.pm2_env).toMatchObject({ status: 'online', restart_time: 0 });
    },
    TIMEOUT_MS,
  );
});

describe('each way to run', () => {
  const ways = [
    { args: ['--preload', 'lean'], what: 'a lean preload' },
    { args: ['--preload', 'none'], what: 'nothing preloaded' },
  ];
  it.each(ways)(
    '$what: a worker starts without the network, and loads the model that is here',
    async ({ args }) => {
      const hole = await startBlackHole(scope);
      const home = await temporaryFolder(scope, 'hf');
      await placeModel(home);
      const { cluster, tookMs } = await start(hole, home, args);
      process.stderr.write(`${args.join(' ')}: serves after ${(tookMs / 1000).toFixed(1)} s\n`);
      const logs = await cluster.pm2.run('logs', '--nostream', '--lines', '500');
      expect(logs).not.toMatch(/Retrying in|MaxRetryError|ConnectTimeout/);
      expect((await documentsOf(cluster)()).join('\n')).toContain('Mara Quill');
      expect(await until(() => stateOf(cluster), { what: 'the state', timeoutMs: 5_000 })).toMatchObject({
        offline: false,
        models: [{ here: true }],
      });
    },
    TIMEOUT_MS,
  );

  it(
    "Open WebUI's own workers: the same, and where the model is missing, that it is not asked for again",
    async () => {
      const hole = await startBlackHole(scope);
      const home = await temporaryFolder(scope, 'hf');
      const cluster = await plan(hole, home, ['--runtime', 'uvicorn'], 1);
      const started = performance.now();
      await startUvicorn(cluster, 1);
      process.stderr.write(`uvicorn serves after ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
      expect(await stateOf(cluster)).toMatchObject({
        offline: true,
        nextAttemptAt: null,
        models: [{ here: false, reason: expect.stringContaining('at the next start of Open WebUI only') }],
      });
      await placeModel(home);
      await cluster.pm2.restart(APPS.cluster);
      await untilUvicornServes(cluster, 1);
      expect((await documentsOf(cluster)()).join('\n')).toContain('Mara Quill');
      const logs = await cluster.pm2.run('logs', '--nostream', '--lines', '500');
      expect(logs).not.toMatch(/Retrying in|MaxRetryError|ConnectTimeout/);
    },
    TIMEOUT_MS,
  );
});
