/** Reloads and restarts under load: nobody notices. And the end: of the cluster alone, and of both apps. */
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { untilGone } from '../../src/base/io/started.ts';
import { until } from '../../src/base/io/wait.ts';
import { isAlive } from '../../src/base/machine/process-table.ts';
import { request } from '../../src/bench/client/http.ts';
import { type Load, startLoad } from '../../src/bench/client/load.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { wholeAnswer } from '../../src/bench/scratch/upstream.ts';
import { APPS } from '../../src/runtime/contract.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { startDistantLine } from '../kit/distance.ts';
import { expectNoApp, openPage } from '../kit/nothing-left.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 2;
const CONNECTIONS = 12;
/** An answer that is lost never comes; one of a machine with other work takes seconds. */
const REQUEST_TIMEOUT_MS = 60_000;

const scope = useScope();
let cluster: Cluster;
let ui: OpenWebui;

beforeAll(async () => {
  cluster = await startCluster(scope, { workers: WORKERS });
  ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
});

interface Clients {
  what: string;
  reconnect?: boolean;
  /** Milliseconds that a packet is on its way. */
  oneWayMs?: number;
  pauseMs?: number;
}

/** They ask at the same time, each kind by connections of its own. */
const KINDS: readonly Clients[] = [
  { what: 'kept-alive connections' },
  { what: 'a new connection for each request', reconnect: true },
  { what: 'clients at a distance, which pause between requests', oneWayMs: 20, pauseMs: 150 },
];

/** Milliseconds that clients pause, beside an import: those that never do would take the processor from it. */
const PAUSE_MS = 300;

async function load({ oneWayMs, reconnect = false, pauseMs = 0 }: Clients): Promise<Load> {
  const port =
    oneWayMs === undefined ? cluster.port : await startDistantLine(scope, { port: cluster.port, oneWayMs });
  const url = `http://127.0.0.1:${port}/api/v1/chats/?page=1`;
  return startLoad({
    url,
    headers: ui.headers,
    connections: CONNECTIONS,
    reconnect,
    pauseMs,
    timeoutMs: REQUEST_TIMEOUT_MS,
  });
}

/** All kinds of clients at once. */
class AllClients {
  readonly #loads: readonly Load[];

  private constructor(loads: readonly Load[]) {
    this.#loads = loads;
  }

  /** They end with the test, also when it fails: the next one has its own. */
  static async start(pauseMs = 0): Promise<AllClients> {
    const loads = await Promise.all(KINDS.map((kind) => load({ pauseMs, ...kind })));
    onTestFinished(async () => {
      await Promise.all(loads.map((each) => each.stop()));
    });
    return new AllClients(loads);
  }

  /** Waits until each kind has so many more answers. */
  async proceed(answers: number): Promise<void> {
    await Promise.all(this.#loads.map((each) => each.proceed(answers)));
  }

  async expectNoFailure(least: number): Promise<void> {
    const reports = await Promise.all(this.#loads.map((each) => each.stop()));
    for (const [index, { what }] of KINDS.entries()) {
      const report = reports[index];
      expect(report?.failures, what).toEqual([]);
      expect(report?.failed, what).toBe(0);
      expect(report?.answered, what).toBeGreaterThan(least);
    }
  }
}

describe('no request fails, of clients of any kind,', () => {
  it('with five reloads in a row', async () => {
    const clients = await AllClients.start();
    await clients.proceed(50);
    for (let round = 0; round < 5; round++) {
      const before = cluster.pythonWorkers();
      expect(before.length).toBeGreaterThanOrEqual(WORKERS);
      await cluster.pm2.reload(APPS.cluster);
      await untilGone(before, PATIENCE_MS);
      await clients.proceed(20);
    }
    await clients.expectNoFailure(200);
    await cluster.untilServing(WORKERS);
  });

  it('with a restart of the preload process, and a reload on top', async () => {
    const clients = await AllClients.start(PAUSE_MS);
    // Each import of Open WebUI deletes the folder that this file is in: each generation has its own.
    const icons = startLoad({ url: `${cluster.url}/static/favicon.png`, headers: {}, connections: 4 });
    onTestFinished(async () => {
      await icons.stop();
    });
    await Promise.all([clients.proceed(50), icons.proceed(20)]);
    const before = cluster.pythonWorkers();
    const preload = (await cluster.preload()).pid;
    expect(before).toHaveLength(WORKERS);

    await cluster.pm2.restart(APPS.preload);
    // Its workers live on, and are replaced one by one when the next generation is there.
    await untilGone(before, PATIENCE_MS);
    await icons.proceed(20);
    expect((await icons.stop()).failures).toEqual([]);
    await cluster.untilServing(WORKERS);
    expect((await cluster.preload()).pid).not.toBe(preload);
    expect(await cluster.preloadLog()).toContain('took over the listening socket');
    const nextGeneration = cluster.pythonWorkers();
    await cluster.pm2.reload(APPS.cluster);
    await untilGone(nextGeneration, PATIENCE_MS);
    await clients.proceed(50);

    await clients.expectNoFailure(200);
    await cluster.untilServing(WORKERS);
  });
});

describe('a worker', () => {
  it('answers with what has changed since the app was asked before the fork', async () => {
    expect(await cluster.preloadLog()).toContain('with warm caches');
    const ask = async () =>
      (await ui.call<{ content: string }[]>('GET', '/api/v1/configs/banners'))[0]?.content;
    for (const content of ['the first', 'the second']) {
      const banner = { id: content, type: 'info', content, dismissible: true, timestamp: 1 };
      await ui.call('POST', '/api/v1/configs/banners', { banners: [banner] });
      const before = cluster.pythonWorkers();
      await cluster.pm2.reload(APPS.cluster);
      await untilGone(before, PATIENCE_MS);
      const answers = await Promise.all(Array.from({ length: 8 }, ask));
      expect(new Set(answers)).toEqual(new Set([content]));
    }
  });
});

describe('the preload process', () => {
  it('may die: its workers serve on, and its successor takes them over', async () => {
    const before = cluster.pythonWorkers();
    expect(before).toHaveLength(WORKERS);
    const clients = await AllClients.start(PAUSE_MS);
    await clients.proceed(20);
    process.kill((await cluster.preload()).pid, 'SIGKILL');
    await clients.proceed(100);
    expect(before.filter(isAlive)).toHaveLength(WORKERS);
    await untilGone(before, PATIENCE_MS);
    await cluster.untilServing(WORKERS);
    await clients.expectNoFailure(100);
  });
});

describe('answers in generation', () => {
  it('are finished and saved by the workers that leave, 10 of 10', async () => {
    const { upstream } = cluster.services;
    const usual = upstream.pace;
    upstream.pace = { tokens: 120, pauseMs: 30 };
    const prompts = Array.from({ length: 10 }, (_, index) => `long${index}`);
    const before = cluster.pythonWorkers();
    const page = await ui.connectSocket(scope);
    const started = new Set<string>();
    page.socket.on('events', (event: { message_id: string; data: { type: string } }) => {
      if (event.data.type === 'response:completion') started.add(event.message_id);
    });
    const chats = await Promise.all(prompts.map((prompt) => ui.post(page, prompt)));
    await until(() => started.size === prompts.length, {
      what: 'all answers have begun',
      timeoutMs: PATIENCE_MS,
    });

    await cluster.pm2.reload(APPS.cluster);
    await untilGone(before, PATIENCE_MS);

    const saved = await Promise.all(chats.map((chat) => ui.savedAnswer(chat)));
    expect(saved).toEqual(prompts.map((prompt) => wholeAnswer(prompt, upstream.pace)));
    upstream.pace = usual;
    page.close();
  });
});

describe('nothing is left', () => {
  const isRefused = () =>
    request(`${cluster.url}/health`, { timeoutMs: 1_000 }).then(
      () => false,
      (error: unknown) => String(error).includes('ECONNREFUSED'),
    );

  it('of the cluster after pm2 stop, and it starts again', async () => {
    await openPage(scope, cluster);
    const workers = cluster.pythonWorkers();
    expect(workers).toHaveLength(WORKERS);
    await cluster.pm2.stop(APPS.cluster);
    await untilGone(workers, PATIENCE_MS);
    // The preload process was not stopped: the next start is a fork.
    expect(cluster.processes().map(({ pid }) => pid)).toEqual([(await cluster.preload()).pid]);
    await until(isRefused, { what: 'clients are refused', timeoutMs: PATIENCE_MS });
    await cluster.pm2.start(APPS.cluster);
    await cluster.untilServing(WORKERS);
  });

  it('of either app after pm2 stop all', async () => {
    await expectNoApp(scope, cluster, () => cluster.pm2.stop('all'));
  });
});
