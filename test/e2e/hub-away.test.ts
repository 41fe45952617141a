/** Without Hugging Face no worker waits for it, whether the embedding model is here or not. */
import { afterEach, describe, expect, it } from 'vitest';
import { Scope } from '../../src/base/io/scope.ts';
import { untilGone } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { startLoad } from '../../src/bench/client/load.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { missingModels } from '../../src/runtime/models-state.ts';
import type { Cluster } from '../kit/cluster.ts';
import { crowding } from '../kit/crowding.ts';
import { findInDocument, MODEL, modelsOf, placeModel, planWithModel, startBlackHole } from '../kit/hub.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { killWorker } from '../kit/recovery.ts';

const WORKERS = 2;
const ROUNDS = 5;
const TIMEOUT_MS = 600_000;

/** What must hold. */
const FORK_TO_SERVING_MS = 500;
const KILL_TO_SERVING_MS = 1_000;
/** What models may cost a start, and what two starts differ by anyway on a busy machine. */
const START_MS = 5_000;
const NOISE_MS = 5_000;

let scope = new Scope();
afterEach(async () => {
  await scope.close();
  scope = new Scope();
});

async function start(endpoint: string, hfHome: string): Promise<{ cluster: Cluster; tookMs: number }> {
  const cluster = await planWithModel(scope, endpoint, hfHome, { workers: WORKERS });
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
  expect(spread(forks).median).toBeLessThanOrEqual(FORK_TO_SERVING_MS * crowding());
  expect(spread(kills).median).toBeLessThanOrEqual(KILL_TO_SERVING_MS * crowding());
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
    await untilGone(before, PATIENCE_MS);
    await load.proceed(20);
  }
  const report = await load.stop();
  tell(`${what}: a reload of ${WORKERS} workers under load`, reloads);
  process.stderr.write(`${what}: ${report.answered} requests, ${report.failed} failed\n`);
  expect(report.failures).toEqual([]);
  expect(report.answered).toBeGreaterThan(150);
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
      expect(await findInDocument(here.cluster)).toContain('Mara Quill');
      expect(await modelsOf(here.cluster)).toMatchObject({
        endpoint: hole,
        offline: false,
        models: [{ kind: 'embedding', name: MODEL, here: true, reason: '' }],
      });
      expect(await here.cluster.preloadLog()).toContain('loaded the embedding model');
      await here.cluster.pm2.kill();

      const absent = await start(hole, homes.absent);
      await expectQuickWorkers(absent.cluster, 'model absent');
      await expectQuietReloads(absent.cluster, 'model absent');
      const state = await modelsOf(absent.cluster);
      expect(state).toMatchObject({ offline: true, models: [{ here: false }] });
      const [line = 'none'] = state ? missingModels(state) : [];
      // What `status` shows is what the log said at the start.
      expect(await absent.cluster.preloadLog()).toContain('no answer within 5 s');
      expect(line).toContain(`the embedding model ${MODEL} is not on this machine: documents cannot be read`);

      const figures = [here.tookMs, absent.tookMs].map((ms) => (ms / 1000).toFixed(1));
      process.stderr.write(`start with the model: ${figures[0]} s, without: ${figures[1]} s\n`);
      expect(absent.tookMs - here.tookMs).toBeLessThan((START_MS + NOISE_MS) * crowding());
    },
    TIMEOUT_MS,
  );
});
