/** The cluster of two workers: what it serves, what PM2 shows of it, and what it keeps to itself. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/base/io/wait.ts';
import { readMemory } from '../../src/base/machine/process-memory.ts';
import { commandLine, environment, isAlive } from '../../src/base/machine/process-table.ts';
import { MIB } from '../../src/base/units.ts';
import { connectionsByWorker, connectTo, ownerOf } from '../../src/bench/client/connections.ts';
import { OneConnection, request } from '../../src/bench/client/http.ts';
import { startLoad } from '../../src/bench/client/load.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { summarize } from '../../src/bench/contest/statistics.ts';
import { wholeAnswer } from '../../src/bench/scratch/upstream.ts';
import { APPS, ENV } from '../../src/runtime/contract.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { crowding } from '../kit/crowding.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { killWorker } from '../kit/recovery.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 2;
/** Of two browsers: each opens six to a host. */
const CONNECTIONS = 12;
const BURSTS = 9;
/** The reverse proxy that the user names. */
const PROXY = '127.0.0.3';

const scope = useScope();
let cluster: Cluster;
let ui: OpenWebui;

beforeAll(async () => {
  // An access log line a request tells below which worker answered it.
  cluster = await startCluster(scope, {
    workers: WORKERS,
    settings: { GLOBAL_LOG_LEVEL: 'INFO', FORWARDED_ALLOW_IPS: PROXY },
  });
  ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
});

describe('the workers', () => {
  it('are instances of PM2 in cluster mode, one Python process each', async () => {
    const instances = await cluster.instances();
    expect(instances.map(({ pm2_env }) => pm2_env.exec_mode)).toEqual(['cluster_mode', 'cluster_mode']);
    const shown = [...(await cluster.workerPids()).values()].sort();
    expect(shown).toEqual(
      cluster
        .pythonWorkers()
        .map(({ pid }) => pid)
        .sort(),
    );
    expect(new Set(shown).size).toBe(WORKERS);
  });

  it('share the connections', async () => {
    const load = startLoad({
      url: `${cluster.url}/api/v1/chats/?page=1`,
      headers: ui.headers,
      connections: 12,
      reconnect: true,
    });
    const held = await until(
      () => {
        const counts = [...connectionsByWorker(cluster.port, cluster.pythonWorkers()).values()];
        return counts.length === WORKERS && Math.min(...counts) > 0 ? counts : false;
      },
      { what: 'each worker holds connections', timeoutMs: PATIENCE_MS },
    );
    await load.proceed(200);
    const report = await load.stop();
    expect(report.failures).toEqual([]);
    expect(held).toHaveLength(WORKERS);
  });
});

/** Connections that each worker holds after so many were opened at once, and an answer came over each; fewest first. */
async function burst(connections: number): Promise<number[]> {
  const held = () => [...connectionsByWorker(cluster.port, cluster.pythonWorkers()).values()];
  await until(() => held().every((count) => count === 0), {
    what: 'nobody is connected',
    timeoutMs: PATIENCE_MS,
  });
  const clients = Array.from({ length: connections }, () => new OneConnection());
  try {
    await Promise.all(clients.map((agent) => request(`${cluster.url}/health`, { agent })));
    return held().sort((a, b) => a - b);
  } finally {
    for (const client of clients) client.destroy();
  }
}

describe('connections that are opened at once', () => {
  it('are shared out, though one worker wakes first', async () => {
    const fewest: number[] = [];
    for (let time = 0; time < BURSTS; time++) {
      const [first = 0, ...others] = await burst(CONNECTIONS);
      expect(others.reduce((sum, count) => sum + count, first)).toBe(CONNECTIONS);
      fewest.push(first);
    }
    // Half of them each, unless something else kept one of the workers from running just then.
    expect(summarize(fewest).median, `${fewest} of ${CONNECTIONS}`).toBeGreaterThanOrEqual(4);
  });
});

describe('a chat posted to one worker', () => {
  it('streams whole to a socket held by another, 50 times of 50', async () => {
    const workers = () => cluster.pythonWorkers();
    const page = await ui.connectSocket(scope);
    const holder = await ownerOf(page.connection, cluster.port, workers);
    const other = await connectTo((pid) => pid !== holder, cluster, workers);
    const answering = await ownerOf(other, cluster.port, workers);

    const whole: string[] = [];
    for (let index = 0; index < 50; index++) {
      const prompt = `question${index}`;
      const answer = await ui.chat(page, prompt, { agent: other });
      if (answer.text === wholeAnswer(prompt, cluster.services.upstream.pace)) whole.push(prompt);
    }

    expect(whole).toHaveLength(50);
    // The two connections are still where they were: no answer took the short way.
    expect(answering).not.toBe(holder);
    expect(await ownerOf(page.connection, cluster.port, workers)).toBe(holder);
    expect(await ownerOf(other, cluster.port, workers)).toBe(answering);
    page.close();
    other.destroy();
  });
});

describe('PM2 shows', () => {
  it("each worker's own output in the log of its instance", async () => {
    const instances = await cluster.instances();
    const pids = await cluster.workerPids();
    for (const instance of instances) {
      // Open WebUI logs no request for /health.
      const marker = `/api/version?marker=${instance.pm_id}-${process.pid}`;
      const own = pids.get(instance.pm_id);
      const connection = await connectTo(
        (pid) => pid === own,
        cluster,
        () => cluster.pythonWorkers(),
      );
      expect((await request(`${cluster.url}${marker}`, { agent: connection })).status).toBe(200);
      connection.destroy();
      const logsWithMarker = () =>
        instances.filter(({ pm2_env }) => readFileSync(pm2_env.pm_out_log_path, 'utf8').includes(marker));
      await until(() => logsWithMarker().length > 0, { what: `${marker} is logged`, timeoutMs: PATIENCE_MS });
      expect(logsWithMarker().map(({ pm_id }) => pm_id)).toEqual([instance.pm_id]);
    }
  });

  it('the private memory of each worker', async () => {
    for (const [id, pid] of await cluster.workerPids()) {
      const shown = await until(
        async () => /Private memory\s*│\s*(\d+(?:\.\d+)?) MiB/.exec(await cluster.pm2.describe(`${id}`))?.[1],
        { what: `pm2 describe ${id} shows the private memory`, timeoutMs: PATIENCE_MS },
      );
      const actual = readMemory(pid).private / MIB;
      expect(Number(shown)).toBeGreaterThan(actual * 0.7);
      expect(Number(shown)).toBeLessThan(actual * 1.3);
    }
  });

  it('the level of the preload', async () => {
    const instances = await cluster.instances();
    const levels = instances.map(({ pm2_env }) => pm2_env.axm_monitor['Preload level']?.value);
    expect(levels).toEqual(['lean', 'lean']);
  });
});

describe('the address that a client claims to have', () => {
  const CLAIMED = '203.0.113.9';

  /** The address in the access log's line about the request. */
  async function addressOf(localAddress: string): Promise<string> {
    const marker = `/api/version?from=${localAddress}-${process.pid}`;
    const headers = { 'x-forwarded-for': CLAIMED, 'x-forwarded-proto': 'https' };
    expect((await request(`${cluster.url}${marker}`, { headers, localAddress })).status).toBe(200);
    const logs = (await cluster.instances()).map(({ pm2_env }) => pm2_env.pm_out_log_path);
    const line = await until(
      () =>
        logs.flatMap((log) => readFileSync(log, 'utf8').split('\n')).find((text) => text.includes(marker)),
      { what: `${marker} is logged`, timeoutMs: PATIENCE_MS },
    );
    return /(\d+\.\d+\.\d+\.\d+):\d+ - "GET/.exec(line)?.[1] ?? line;
  }

  it('is believed from the proxy that the user names', async () =>
    expect(await addressOf(PROXY)).toBe(CLAIMED));

  it.each(['127.0.0.1', '127.0.0.2'])('is not believed from %s', async (address) =>
    expect(await addressOf(address)).toBe(address),
  );
});

describe('no secret', () => {
  /** The settings' own secrets and the key that the CLI drew. */
  async function secrets(): Promise<string[]> {
    const file = String((await cluster.preload()).pm2_env[ENV.secretsFile]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const key = /^WEBUI_SECRET_KEY=["']?(.+?)["']?$/m.exec(readFileSync(file, 'utf8'))?.[1];
    if (key === undefined) throw new Error(`${file} has no WEBUI_SECRET_KEY`);
    const all = [...Object.values(cluster.services.secrets), key];
    for (const secret of all) expect(secret.length).toBeGreaterThan(12);
    return all;
  }

  function expectNone(text: string, found: string[], where: string): void {
    expect(text.length, where).toBeGreaterThan(0);
    expect(
      found.filter((secret) => text.includes(secret)),
      where,
    ).toEqual([]);
  }

  it('is in the ecosystem file', async () => {
    expectNone(readFileSync(cluster.ecosystemFile, 'utf8'), await secrets(), 'ecosystem file');
  });

  it("is in PM2's list, its environment or its dump", async () => {
    const all = await secrets();
    expectNone(await cluster.pm2.run('jlist'), all, 'pm2 jlist');
    for (const { pm_id } of await cluster.pm2.list()) {
      expectNone(await cluster.pm2.run('env', `${pm_id}`), all, `pm2 env ${pm_id}`);
    }
    await cluster.pm2.run('save');
    expectNone(readFileSync(join(cluster.pm2.home, 'dump.pm2'), 'utf8'), all, 'dump.pm2');
  });

  it('is in a log', async () => {
    const all = await secrets();
    const folder = join(cluster.pm2.home, 'logs');
    const logs = readdirSync(folder);
    expect(logs.length).toBeGreaterThanOrEqual(2 + 2 * WORKERS);
    expectNone(logs.map((log) => readFileSync(join(folder, log), 'utf8')).join('\n'), all, 'logs');
  });

  it('is in what other users may read of the processes', async () => {
    const all = await secrets();
    const processes = cluster.pm2.processes();
    // The daemon, the preload process, and two processes a worker.
    expect(processes.length).toBeGreaterThanOrEqual(2 + 2 * WORKERS);
    for (const { pid } of processes) {
      expectNone(commandLine(pid).join(' '), all, `command line of ${pid}`);
      expectNone(environment(pid).join('\n'), all, `environment of ${pid}`);
    }
  });
});

describe('the number of workers', () => {
  it('grows by one that serves within 2 s', async () => {
    const before = cluster.pythonWorkers().map(({ pid }) => pid);
    const started = performance.now();
    const scaling = cluster.pm2.scale(APPS.cluster, '+1');
    const online = cluster.pm2.timesOnline(APPS.cluster);
    await until(() => cluster.pm2.timesOnline(APPS.cluster) > online, {
      what: 'the further worker is online',
      timeoutMs: PATIENCE_MS,
    });
    const elapsed = performance.now() - started;
    await scaling;
    const isNew = (pid: number) => !before.includes(pid);
    (await connectTo(isNew, cluster, () => cluster.pythonWorkers())).destroy();
    expect(elapsed).toBeLessThan(2_000 * crowding());
    await cluster.untilServing(WORKERS + 1);
  });

  it('shrinks again, and leaves nothing of the worker', async () => {
    expect(cluster.pythonWorkers()).toHaveLength(WORKERS + 1);
    await cluster.pm2.scale(APPS.cluster, `${WORKERS}`);
    await cluster.untilServing(WORKERS);
    // The preload process, and two processes a worker.
    await until(() => cluster.processes().length === 1 + 2 * WORKERS, {
      what: 'only the processes of two workers are left',
      timeoutMs: PATIENCE_MS,
    });
  });
});

describe('a killed worker', () => {
  it('serves again within 1 s, and the other one serves meanwhile', async () => {
    const [victim] = cluster.pythonWorkers();
    if (!victim) throw new Error('there is no worker');
    const load = startLoad({ url: `${cluster.url}/health`, headers: {}, connections: 4, reconnect: true });
    await load.proceed(50);
    const { killToServingMs } = await killWorker(cluster, victim);
    await load.proceed(50);
    const report = await load.stop();

    expect(isAlive(victim)).toBe(false);
    expect(killToServingMs).toBeLessThan(1_000 * crowding());
    // What the worker held is lost; nothing is refused.
    expect(report.failed).toBeLessThanOrEqual(4);
    expect(report.failures.filter((failure) => failure.includes('ECONNREFUSED'))).toEqual([]);
    await cluster.untilServing(WORKERS);
  });
});
