/** Workers that come and go with the load: under load, through reloads and restarts, and back. No request is lost. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.ts';
import { untilGone } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { type Load, startLoad } from '../../src/bench/client/load.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { startUpstream } from '../../src/bench/scratch/upstream.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { PATIENCE } from '../../src/runtime/scale/decide.ts';
import { readTold, type ScaleTold } from '../../src/runtime/scale/told.ts';
import { type TopReport, TopSchema } from '../../src/runtime/watch/schema.ts';
import { type Cluster, planCluster } from '../kit/cluster.ts';
import { examine } from '../kit/doctor.ts';
import { CLI } from '../kit/environment.ts';
import { Installation } from '../kit/installation.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { useScope } from '../kit/vitest.ts';

const LEAST = 1;
const MOST = 2;
const CONNECTIONS = 12;
/** Seconds until a load that is gone has let a worker go, twice over. */
const CALM_TIMEOUT_MS = 3 * PATIENCE.least * 1000;

/** pip installs PostgreSQL and Valkey. */
const UP_TIMEOUT_MS = 400_000;

const scope = useScope();
let cluster: Cluster;
let ui: OpenWebui;
let folder: string;

beforeAll(async () => {
  cluster = await planCluster(scope, { workers: `${LEAST}..${MOST}` });
  await cluster.pm2.start(cluster.ecosystemFile);
  await cluster.untilServing(LEAST);
  folder = dirname(await cluster.controlSocket());
  ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
});

const load = (connections: number, pauseMs = 0): Load =>
  startLoad({ url: `${cluster.url}/api/v1/chats/?page=1`, headers: ui.headers, connections, pauseMs });

function told(): ScaleTold {
  const found = readTold(folder);
  if (!found) throw new Error('nothing is told of the number of workers');
  return found;
}

const last = () => told().changes.at(-1);

async function scaleApp() {
  const found = (await cluster.pm2.list()).find(({ name }) => name === APPS.scale);
  if (!found) throw new Error(`PM2 does not run ${APPS.scale}`);
  return found;
}

async function scaleLog(): Promise<string> {
  const { pm_out_log_path, pm_err_log_path } = (await scaleApp()).pm2_env;
  return readFileSync(pm_out_log_path, 'utf8') + readFileSync(pm_err_log_path, 'utf8');
}

/** Waits for the change that is told, and until as many workers serve. */
async function untilWorkers(workers: number, timeoutMs = PATIENCE_MS): Promise<void> {
  await cluster.explain(() =>
    until(() => last()?.to === workers, {
      what: `${workers} workers are wanted`,
      timeoutMs,
      intervalMs: 200,
    }),
  );
  await cluster.untilServing(workers);
}

async function top(): Promise<TopReport> {
  const { stdout } = await execa(process.execPath, [CLI, 'top', cluster.ecosystemFile, '--json'], {
    env: { HOME: join(cluster.folder, 'home') },
  });
  return TopSchema.parse(JSON.parse(stdout));
}

async function expectNoFailure(running: Load, least: number): Promise<void> {
  const { answered, failed, failures } = await running.stop();
  expect(failures).toEqual([]);
  expect(failed).toBe(0);
  expect(answered).toBeGreaterThan(least);
}

describe.sequential('a range of workers', () => {
  it('begins with the least, and says so', async () => {
    expect((await scaleApp()).pm2_env.status).toBe('online');
    expect(told()).toMatchObject({ least: LEAST, most: MOST, changes: [] });
    const { scale, workers } = await top();
    expect(scale).toMatchObject({ least: LEAST, most: MOST, changes: [] });
    expect(workers).toHaveLength(LEAST);
  });

  it('gets another worker under load, loses no request, and says why', async () => {
    const busy = load(CONNECTIONS);
    await untilWorkers(MOST);
    await busy.proceed(100);
    await expectNoFailure(busy, 200);
    expect(last()).toMatchObject({ from: LEAST, to: MOST, cause: 'busy' });
    expect(await scaleLog()).toContain(`[scale] ${LEAST} → ${MOST} workers: event loops are busy`);
    expect((await top()).scale?.changes[0]).toMatchObject({ from: LEAST, to: MOST, cause: 'busy' });
    const { of } = await examine(cluster);
    expect(of('pm2.count')).toMatchObject([{ verdict: 'ok', found: `${MOST} of ${LEAST}..${MOST}` }]);
    // The plan is for the most of them.
    expect(of('machine.plan')).toMatchObject([{ verdict: 'ok' }]);
  });

  it('is reloaded at any number: all workers are new, no request is lost, and the number stays', async () => {
    const clients = load(CONNECTIONS);
    await untilWorkers(MOST);
    const before = cluster.pythonWorkers();
    const changes = told().changes.length;
    await clients.proceed(50);
    await cluster.pm2.reload(APPS.cluster);
    await untilGone(before, PATIENCE_MS);
    await cluster.untilServing(MOST);
    await clients.proceed(50);
    await expectNoFailure(clients, 100);
    expect(told().changes).toHaveLength(changes);
  });

  it('changes nothing while the preload process starts anew, and keeps its number', async () => {
    const clients = load(CONNECTIONS, 300);
    const before = cluster.pythonWorkers();
    const changes = told().changes.length;
    await cluster.pm2.restart(APPS.preload);
    await until(() => told().holding?.includes('preload process'), {
      what: 'it is held while there is no preload process',
      timeoutMs: PATIENCE_MS,
    });
    await untilGone(before, PATIENCE_MS);
    await cluster.untilServing(MOST);
    await expectNoFailure(clients, 50);
    expect(told().changes).toHaveLength(changes);
  });

  it('knows what it was when the process that decides is killed', async () => {
    const { pid } = await scaleApp();
    process.kill(pid, 'SIGKILL');
    await until(
      async () =>
        Number.parseInt(told().decider, 10) === (await scaleApp()).pid && (await scaleApp()).pid !== pid,
      {
        what: 'PM2 has started another',
        timeoutMs: PATIENCE_MS,
      },
    );
    expect(told()).toMatchObject({ counts: { busy: 1 }, changes: [{ cause: 'busy' }] });
    expect(await cluster.instances()).toHaveLength(MOST);
  });

  it('gets another worker in the place of one that is killed, and does not count that', async () => {
    const [victim] = cluster.pythonWorkers();
    if (!victim) throw new Error('no worker runs');
    process.kill(victim.pid, 'SIGKILL');
    await untilGone([victim], PATIENCE_MS);
    await cluster.untilServing(MOST);
    expect(last()).toMatchObject({ to: MOST });
  });

  it('lets a worker go when the load is gone, in the middle of requests, and loses none', async () => {
    const quiet = load(2, 400);
    await untilWorkers(LEAST, CALM_TIMEOUT_MS);
    await quiet.proceed(20);
    await expectNoFailure(quiet, 100);
    expect(last()).toMatchObject({ from: MOST, to: LEAST, cause: 'calm' });
    expect(await cluster.instances()).toHaveLength(LEAST);
    const { workers, instances, restarts, total } = await top();
    expect(workers).toMatchObject([{ state: 'serving' }]);
    // What it has counted stays, and nothing calls it missing.
    expect(instances).toHaveLength(MOST);
    expect(instances.filter(({ down }) => down)).toEqual([]);
    expect(total.requests).toBeGreaterThan(1_000);
    expect(restarts.map(({ cause }) => cause)).not.toContain('restart');
    const { of } = await examine(cluster);
    expect(of('pm2.count')).toMatchObject([{ verdict: 'ok', found: `${LEAST} of ${LEAST}..${MOST}` }]);
  });

  it('gets it back, as the same instance, and that is no restart', async () => {
    const busy = load(CONNECTIONS);
    await untilWorkers(MOST);
    await expectNoFailure(busy, 100);
    const { instances, restarts } = await top();
    expect(instances.map(({ instance }) => instance)).toEqual(['0', '1']);
    expect(restarts.map(({ cause }) => cause)).not.toContain('restart');
  });
});

describe.sequential('webui-tune up with a range', () => {
  let installation: Installation;

  beforeAll(async () => {
    installation = await Installation.prepare(scope);
    const upstream = await startUpstream(scope);
    await installation.writeSettings({
      OPENAI_API_BASE_URL: upstream.url,
      OPENAI_API_KEY: 'sk-test-key-of-range',
      ENABLE_OLLAMA_API: 'false',
      RAG_EMBEDDING_ENGINE: 'openai',
      HF_HUB_OFFLINE: '1',
      OFFLINE_MODE: 'true',
    });
  }, UP_TIMEOUT_MS);

  it(
    'starts the least, and what adds more; status says so',
    async () => {
      const { code, stderr } = await installation.up('--workers', '1..2');
      expect(stderr).toMatch(/^✓ plan +1 to 2 workers/m);
      expect(code).toBe(EXIT.ok);
      const apps = await installation.processes();
      expect(apps.get(APPS.cluster)).toHaveLength(1);
      expect(apps.get(APPS.scale)).toMatchObject([{ pm2_env: { status: 'online' } }]);
      const status = await installation.run('status');
      expect(status.stdout).toMatch(/^workers +1 to 2, as the load asks for +no change yet$/m);
    },
    UP_TIMEOUT_MS,
  );

  it(
    'remembers it, and has nothing to do at any number in it',
    async () => {
      await installation.pm2.run('scale', APPS.cluster, '+1');
      const { code, stderr } = await installation.up();
      expect(code).toBe(EXIT.ok);
      expect(stderr).toMatch(/^✓ plan +1 to 2 workers/m);
      expect((await installation.processes()).get(APPS.cluster)).toHaveLength(2);
    },
    UP_TIMEOUT_MS,
  );

  it(
    'goes down with all of it',
    async () => {
      const { code, stderr } = await installation.run('down');
      expect(code).toBe(EXIT.ok);
      expect(stderr).toContain(APPS.scale);
      expect(await installation.pm2.list()).toEqual([]);
    },
    UP_TIMEOUT_MS,
  );
});
