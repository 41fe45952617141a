/**
 * `npm run bench:capacity`: how much of a worker, PostgreSQL, Redis and the network one request, one chat and one open
 * page need. The figures are counts and CPU time, which a busy machine changes little. Copy them into
 * src/plan/measured-capacity.ts by hand, because all figures computed from them change too.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { Client } from 'pg';
import { createClient } from 'redis';
import { Scope } from '../src/base/io/scope.ts';
import { readMemory } from '../src/base/machine/process-memory.ts';
import { MIB } from '../src/base/units.ts';
import { OneConnection } from '../src/bench/client/http.ts';
import { OpenWebui } from '../src/bench/client/open-webui.ts';
import { type Cluster, startCluster } from '../test/kit/cluster.ts';
import { openWebuiEnvironment } from '../test/kit/environment.ts';
import { type CountingProxy, startCountingProxy } from './counting-proxy.ts';

const WORKERS = 2;
const WARM_UP = 20;
const REQUESTS = 400;
const CHATS = 40;
const TOKENS = 300;
const PAGES = 200;
const IDLE_SECONDS = 30;
const EVENTS = 5_000;

/** Milliseconds of a clock tick in /proc/PID/stat (USER_HZ is 100 on every known Linux). */
const TICK_MS = 10;

/** PostgreSQL's sessions report their statistics at most once a second, and when they become idle. */
const STATISTICS_MS = 3_000;

interface Counters {
  cpuMs: number;
  transactions: number;
  databaseBytes: number;
  redisCommands: number;
  redisBytes: number;
  networkBytes: number;
}

class Meter {
  readonly #cluster: Cluster;
  readonly #proxy: CountingProxy;

  constructor(cluster: Cluster, proxy: CountingProxy) {
    this.#cluster = cluster;
    this.#proxy = proxy;
  }

  /** What `run` needed, divided by `count`. */
  async each(count: number, run: () => Promise<void>): Promise<Counters> {
    const before = await this.#read();
    await run();
    await sleep(STATISTICS_MS);
    const after = await this.#read();
    const difference = (key: keyof Counters) => (after[key] - before[key]) / count;
    return Object.fromEntries(
      Object.keys(after).map((key) => [key, difference(key as keyof Counters)]),
    ) as never;
  }

  async #read(): Promise<Counters> {
    const { services } = this.#cluster;
    const cpuMs = this.#cluster.pythonWorkers().reduce((sum, { pid }) => sum + cpuOf(pid), 0);
    const client = new Client({ connectionString: services.databaseUrl.replace(/[^/]*$/, 'postgres') });
    await client.connect();
    const name = new URL(services.databaseUrl).pathname.slice(1);
    const { rows } = await client.query(
      `SELECT xact_commit + xact_rollback AS transactions, pg_database_size(datname) AS bytes
       FROM pg_stat_database WHERE datname = $1`,
      [name],
    );
    await client.end();
    const redis = createClient({ url: services.redisUrl });
    await redis.connect();
    const info = await redis.info('stats');
    redis.destroy();
    const stat = (key: string) => Number(new RegExp(`^${key}:(\\d+)`, 'm').exec(info)?.[1]);
    return {
      cpuMs,
      transactions: Number(rows[0]?.transactions),
      databaseBytes: Number(rows[0]?.bytes),
      redisCommands: stat('total_commands_processed'),
      redisBytes: stat('total_net_input_bytes') + stat('total_net_output_bytes'),
      networkBytes: this.#proxy.bytes(),
    };
  }
}

function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/**
 * Events for a page that does not exist, as another worker would send them. Each worker reads and drops them. They have
 * the size of a piece of an answer.
 */
async function publish(redisUrl: string): Promise<void> {
  const script = `
import sys, socketio
manager = socketio.RedisManager(sys.argv[1], write_only=True)
for index in range(${EVENTS}):
    data = {"chat_id": "c" * 36, "message_id": "m" * 36, "data": {"type": "response.output_text.delta", "data": "x" * 25}}
    manager.emit("events", data, room="nobody")
`;
  await execa(openWebuiEnvironment().python, ['-c', script, redisUrl]);
}

async function main(): Promise<void> {
  const scope = new Scope();
  try {
    const cluster = await startCluster(scope, { workers: WORKERS });
    const proxy = await startCountingProxy(scope, cluster.port);
    const meter = new Meter(cluster, proxy);
    const ui = await OpenWebui.signIn(proxy.url, cluster.services.admin);
    cluster.services.upstream.pace = { tokens: TOKENS, pauseMs: 5 };
    const page = await ui.connectSocket(scope);
    const agent = new OneConnection();
    scope.defer('agent', () => agent.destroy());
    const list = () => ui.call('GET', '/api/v1/chats/?page=1', undefined, agent);
    for (let index = 0; index < WARM_UP; index++) {
      await ui.chat(page, `warm${index}`);
      await list();
    }
    const privateMib = () =>
      cluster.pythonWorkers().reduce((sum, { pid }) => sum + readMemory(pid).private / MIB, 0);
    const nothing = await meter.each(1, async () => {});
    const request = await meter.each(REQUESTS, async () => {
      for (let index = 0; index < REQUESTS; index++) await list();
    });
    const chat = await meter.each(CHATS, async () => {
      for (let index = 0; index < CHATS; index++) await ui.chat(page, `bench${index}`);
    });
    const before = privateMib();
    const opening = await meter.each(PAGES, async () => {
      for (let index = 0; index < PAGES; index++) await ui.connectSocket(scope);
    });
    const pageKib = ((privateMib() - before) * 1024) / PAGES;
    const idle = await meter.each(PAGES * IDLE_SECONDS, () => sleep(IDLE_SECONDS * 1000));
    const event = await meter.each(EVENTS * WORKERS, () => publish(cluster.services.redisUrl));
    console.log(
      JSON.stringify(
        { nothing, request, chat: { tokens: TOKENS, ...chat }, opening, pageKib, idle, event },
        undefined,
        2,
      ),
    );
  } finally {
    await scope.close();
  }
}

await main();
