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

const EAGER: Clients = { what: 'kept-alive connections' };

async function load({ oneWayMs, reconnect = false, pauseMs = 0 }: Clients = EAGER): Promise<Load> {
  const port =
    oneWayMs === undefined ? cluster.port : await startDistantLine(scope, { port: cluster.port, oneWayMs });
  const url = `http://127.0.0.1:${port}/api/v1/chats/?page=1`;
  return startLoad({ url, headers: ui.headers, connections: CONNECTIONS, reconnect, pauseMs });
}

describe.each<Clients>([
  EAGER,
  { what: 'a new connection for each request', reconnect: true },
  { what: 'clients at a distance, which pause between requests', oneWayMs: 20, pauseMs: 150 },
])('with $what', (clientsAre) => {
  it('five reloads in a row fail no request', async () => {
    const clients = await load(clientsAre);
    await clients.proceed(50);
    for (let round = 0; round < 5; round++) {
      const before = cluster.pythonWorkers();
      expect(before.length).toBeGreaterThanOrEqual(WORKERS);
      await cluster.pm2.reload(APPS.cluster);
      await untilGone(before, LEAVE_TIMEOUT_MS);
      await clients.proceed(20);
    }
    const report = await clients.stop();
    expect(report.failures).toEqual([]);
    expect(report.failed).toBe(0);
    expect(report.answered).toBeGreaterThan(200);
    await cluster.untilServing(WORKERS);
  });

  it('a restart of the preload process, and a reload on top, fail no request', async () => {
    const clients = await load(clientsAre);
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

    const report = await clients.stop();
    expect(report.failures).toEqual([]);
    expect(report.failed).toBe(0);
    expect(report.answered).toBeGreaterThan(200);
    await cluster.untilServing(WORKERS);
  });
});

describe('the preload process', () => {
  it('may die: its workers serve on, and its successor takes them over', async () => {
    const before = cluster.pythonWorkers();
    expect(before).toHaveLength(WORKERS);
    const clients = await load();
    await clients.proceed(20);
    process.kill((await cluster.preload()).pid, 'SIGKILL');
    await clients.proceed(100);
    expect(before.filter(isAlive)).toHaveLength(WORKERS);
    await untilGone(before, 60_000);
    await cluster.untilServing(WORKERS);
    const report = await clients.stop();
    expect(report.failures).toEqual([]);
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
