/** Reloads under load: nobody notices. */
import { beforeAll, describe, expect, it } from 'vitest';
import { APPS } from '../../src/runtime/contract.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { startDistantLine } from '../kit/distance.ts';
import { type Load, startLoad } from '../kit/load.ts';
import { OpenWebui } from '../kit/openwebui.ts';
import { isAlive } from '../kit/proc.ts';
import { untilGone } from '../kit/processes.ts';
import { wholeAnswer } from '../kit/upstream.ts';
import { useScope } from '../kit/vitest.ts';
import { until } from '../kit/wait.ts';

const WORKERS = 2;
const CONNECTIONS = 12;
const LEAVE_TIMEOUT_MS = 30_000;

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

async function load({ oneWayMs, reconnect = false, pauseMs = 0 }: Clients): Promise<Load> {
  const port =
    oneWayMs === undefined ? cluster.port : await startDistantLine(scope, { port: cluster.port, oneWayMs });
  const url = `http://127.0.0.1:${port}/api/v1/chats/?page=1`;
  return startLoad({ url, headers: ui.headers, connections: CONNECTIONS, reconnect, pauseMs });
}

/** All kinds of clients at once. */
class AllClients {
  readonly #loads: readonly Load[];

  private constructor(loads: readonly Load[]) {
    this.#loads = loads;
  }

  static async start(): Promise<AllClients> {
    return new AllClients(await Promise.all(KINDS.map(load)));
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
      await untilGone(before, LEAVE_TIMEOUT_MS);
      await clients.proceed(20);
    }
    await clients.expectNoFailure(200);
    await cluster.untilServing(WORKERS);
  });

  it('with a restart of the preload process, and a reload on top', async () => {
    const clients = await AllClients.start();
    await clients.proceed(50);
    const before = cluster.pythonWorkers();
    const preload = (await cluster.preload()).pid;
    expect(before).toHaveLength(WORKERS);

    await cluster.pm2.restart(APPS.preload);
    // Its workers live on, and are replaced one by one when the next generation is there.
    await untilGone(before, 60_000);
    await cluster.untilServing(WORKERS);
    expect((await cluster.preload()).pid).not.toBe(preload);
    const nextGeneration = cluster.pythonWorkers();
    await cluster.pm2.reload(APPS.cluster);
    await untilGone(nextGeneration, LEAVE_TIMEOUT_MS);
    await clients.proceed(50);

    await clients.expectNoFailure(200);
    await cluster.untilServing(WORKERS);
  });
});

describe('the preload process', () => {
  it('may die: its workers serve on, and its successor takes them over', async () => {
    const before = cluster.pythonWorkers();
    expect(before).toHaveLength(WORKERS);
    const clients = await AllClients.start();
    await clients.proceed(20);
    process.kill((await cluster.preload()).pid, 'SIGKILL');
    await clients.proceed(100);
    expect(before.filter(isAlive)).toHaveLength(WORKERS);
    await untilGone(before, 60_000);
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
    await until(() => started.size === prompts.length, { what: 'all answers have begun', timeoutMs: 10_000 });

    await cluster.pm2.reload(APPS.cluster);
    await untilGone(before, LEAVE_TIMEOUT_MS);

    const saved = await Promise.all(chats.map((chat) => ui.savedAnswer(chat)));
    expect(saved).toEqual(prompts.map((prompt) => wholeAnswer(prompt, upstream.pace)));
    upstream.pace = usual;
    page.close();
  });
});
