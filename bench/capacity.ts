/**
 * `npm run bench:capacity [-- costs|pages|presence…]`: how much of a worker, PostgreSQL and Redis each thing takes that people
 * do. The figures are counts and CPU time, which a busy machine changes little; what idle workers take meanwhile is
 * subtracted. Copy them into src/plan/measured-capacity.ts by hand, because all figures computed from them change too.
 *
 * `costs`: API calls, questions, events. `pages`: real WebSockets. `presence`: what it takes to open a chat or to leave it,
 * with many sessions in Redis, with shortcuts and without.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { Client } from 'pg';
import { createClient } from 'redis';
import { Scope } from '../src/base/io/scope.ts';
import { until } from '../src/base/io/wait.ts';
import { cpuMs } from '../src/base/machine/process-cpu.ts';
import { readMemory } from '../src/base/machine/process-memory.ts';
import { connectTo, ownerOf } from '../src/bench/client/connections.ts';
import type { OneConnection } from '../src/bench/client/http.ts';
import { type ChatEvent, OpenWebui, type PageSocket } from '../src/bench/client/open-webui.ts';
import { summarize } from '../src/bench/contest/statistics.ts';
import { wholeAnswer } from '../src/bench/scratch/upstream.ts';
import { type Cluster, startCluster } from '../test/kit/cluster.ts';
import { openWebuiEnvironment } from '../test/kit/environment.ts';

const WORKERS = 2;
const WARM_UP = 20;
const REQUESTS = 400;
/** Each asks at the same time as the others. */
const USERS = 20;
const ROUNDS = 3;
/** 50 tokens a second. */
const PACE = { tokens: 300, pauseMs: 20 };
const PAGES = 1_000;
const AT_ONCE = 4;
/** Open WebUI has 100 connections to Redis for them. */
const CLOSED_AT_ONCE = 20;
const IDLE_SECONDS = 60;
const EVENTS = 5_000;
/** The page's own interval. */
const HEARTBEAT_MS = 30_000;
const SESSIONS = [0, 1_000, 10_000, 100_000];
const SOCKET_TIMEOUT_MS = 60_000;
/** More would be one command of a megabyte. */
const SESSIONS_AT_ONCE = 1_000;

/** The users, who are no administrators, see the model. */
const FOR_USERS = { BYPASS_MODEL_ACCESS_CONTROL: 'true' };

/** PostgreSQL's sessions report their statistics at the latest when they were idle for 10 s (PGSTAT_IDLE_INTERVAL). */
const STATISTICS_MS = 11_000;

/** Where Open WebUI keeps its sessions (REDIS_KEY_PREFIX, as it is by default). */
const SESSION_POOL = 'open-webui:session_pool';

interface Counters {
  cpuMs: number;
  transactions: number;
  databaseBytes: number;
  redisCommands: number;
  redisCpuMs: number;
  redisBytes: number;
  published: number;
}

const COUNTERS = [
  'cpuMs',
  'transactions',
  'databaseBytes',
  'redisCommands',
  'redisCpuMs',
  'redisBytes',
  'published',
] as const satisfies (keyof Counters)[];

function less(counters: Counters, others: Counters, times: number): Counters {
  const rest = COUNTERS.map((key) => [key, counters[key] - times * others[key]] as const);
  return Object.fromEntries(rest) as unknown as Counters;
}

type Redis = Awaited<ReturnType<typeof connectToRedis>>;

async function connectToRedis(scope: Scope, url: string) {
  const redis = createClient({ url });
  await redis.connect();
  scope.defer('client of Redis', () => redis.destroy());
  return redis;
}

class Meter {
  readonly #cluster: Cluster;
  readonly #redis: Redis;
  /** Of idle workers, for a second. */
  #nothing: Counters | undefined;

  constructor(cluster: Cluster, redis: Redis) {
    this.#cluster = cluster;
    this.#redis = redis;
  }

  /** What idle workers take in a second. It is subtracted from then on. */
  async nothing(seconds: number): Promise<Counters> {
    await sleep(STATISTICS_MS);
    this.#nothing = await this.each(seconds, () => sleep(seconds * 1000 - STATISTICS_MS));
    return this.#nothing;
  }

  /** What `run` needed, divided by `count`. */
  async each(count: number, run: () => Promise<unknown>): Promise<Counters> {
    const started = performance.now();
    const before = await this.#read();
    await run();
    await sleep(STATISTICS_MS);
    const after = await this.#read();
    const seconds = (performance.now() - started) / 1000;
    const one = (key: keyof Counters) =>
      [key, (after[key] - before[key] - seconds * (this.#nothing?.[key] ?? 0)) / count] as const;
    return Object.fromEntries(COUNTERS.map(one)) as unknown as Counters;
  }

  async #read(): Promise<Counters> {
    const { services } = this.#cluster;
    const client = new Client({ connectionString: services.databaseUrl.replace(/[^/]*$/, 'postgres') });
    await client.connect();
    const name = new URL(services.databaseUrl).pathname.slice(1);
    const { rows } = await client.query(
      `SELECT xact_commit + xact_rollback AS transactions, pg_database_size(datname) AS bytes
       FROM pg_stat_database WHERE datname = $1`,
      [name],
    );
    await client.end();
    const info = await this.#redis.info('everything');
    const stat = (key: string) => Number(new RegExp(`^${key}([\\d.]+)`, 'm').exec(info)?.[1] ?? 0);
    return {
      cpuMs: cpuMs(this.#cluster.pythonWorkers()),
      transactions: Number(rows[0]?.transactions),
      databaseBytes: Number(rows[0]?.bytes),
      redisCommands: stat('total_commands_processed:'),
      redisCpuMs: 1000 * (stat('used_cpu_user:') + stat('used_cpu_sys:')),
      redisBytes: stat('total_net_input_bytes:') + stat('total_net_output_bytes:'),
      published: stat('cmdstat_publish:calls='),
    };
  }
}

/** A page says which chat it shows, and which it does not show any more. */
function show(page: PageSocket, chatId: string, type: 'join' | 'leave'): Promise<unknown> {
  const event = { chat_id: chatId, data: { type } };
  return page.socket.timeout(SOCKET_TIMEOUT_MS).emitWithAck('events:chat', event);
}

/** As a page does that has asked in a new chat: it leaves the one that it showed. */
function showNewChats(page: PageSocket): void {
  let shown: string | undefined;
  page.socket.on('events', ({ chat_id }: ChatEvent) => {
    if (chat_id === shown) return;
    if (shown !== undefined) void show(page, shown, 'leave');
    shown = chat_id;
    void show(page, chat_id, 'join');
  });
}

/**
 * Events for a user, as another worker would send them, with the size of a piece of an answer. Only the workers with a page
 * of that user hear them.
 */
async function publish(redisUrl: string, room: string): Promise<void> {
  const script = `
import sys
from open_webui.socket.redis_room_channels import AsyncRedisRoomChannelManager
import asyncio
async def main():
    manager = AsyncRedisRoomChannelManager(sys.argv[1], write_only=True)
    for index in range(${EVENTS}):
        data = {"chat_id": "c" * 36, "message_id": "m" * 36, "data": {"type": "response.output_text.delta", "data": "x" * 25}}
        await manager.emit("events", data, room=sys.argv[2])
asyncio.run(main())
`;
  await execa(openWebuiEnvironment().python, ['-c', script, redisUrl, room], {
    env: { FROM_INIT_PY: 'true' },
  });
}

/** In turns, `AT_ONCE` at one time. */
async function forAll<T>(items: readonly T[], run: (item: T) => Promise<unknown>): Promise<void> {
  const queue = [...items];
  const lane = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

async function withCluster<T>(
  args: string[],
  run: (cluster: Cluster, admin: OpenWebui, redis: Redis, scope: Scope) => Promise<T>,
): Promise<T> {
  const scope = new Scope();
  try {
    const cluster = await startCluster(scope, { workers: WORKERS, settings: FOR_USERS, args });
    const redis = await connectToRedis(scope, cluster.services.redisUrl);
    const admin = await OpenWebui.signIn(cluster.url, cluster.services.admin);
    return await run(cluster, admin, redis, scope);
  } finally {
    await scope.close();
  }
}

async function newChat(ui: OpenWebui): Promise<string> {
  const form = { chat: { title: 'Heron', history: { messages: {} } } };
  return (await ui.call<{ id: string }>('POST', '/api/v1/chats/new', form)).id;
}

async function costs(cluster: Cluster, admin: OpenWebui, redis: Redis, scope: Scope): Promise<object> {
  const { upstream, redisUrl } = cluster.services;
  const meter = new Meter(cluster, redis);
  const workers = () => cluster.pythonWorkers();
  const [here, there] = workers().map(({ pid }) => pid);
  if (here === undefined || there === undefined) throw new Error('two workers are needed');

  /** A page that the first worker holds. */
  const openHere = async (ui: OpenWebui): Promise<PageSocket> => {
    for (;;) {
      const page = await ui.connectSocket(scope);
      if ((await ownerOf(page.connection, cluster.port, workers)) === here) return page;
      page.close();
    }
  };
  const users: { ui: OpenWebui; page: PageSocket; near: OneConnection; far: OneConnection }[] = [];
  for (let index = 0; index < USERS; index++) {
    const ui = await admin.addUser(`user${index}`);
    const page = await openHere(ui);
    const near = await connectTo((pid) => pid === here, cluster, workers);
    const far = await connectTo((pid) => pid === there, cluster, workers);
    for (const agent of [near, far]) scope.defer('agent', () => agent.destroy());
    showNewChats(page);
    users.push({ ui, page, near, far });
  }
  const [somebody] = users;
  if (!somebody) throw new Error('there is no user');
  /** One question of each user at the same time, to the worker that holds the page, or to the other. */
  const ask = async (which: 'near' | 'far', round: string) => {
    await Promise.all(
      users.map(async ({ ui, page, [which]: agent }, index) => {
        const prompt = `${round}${which}${index}`;
        const { text } = await ui.chat(page, prompt, { agent });
        if (text !== wholeAnswer(prompt, upstream.pace)) throw new Error(`broken answer to ${prompt}`);
      }),
    );
  };
  const list = (agent: OneConnection) => somebody.ui.call('GET', '/api/v1/chats/?page=1', undefined, agent);
  for (const which of ['near', 'far'] as const) {
    await ask(which, 'warm');
    for (let index = 0; index < WARM_UP; index++) await list(somebody[which]);
  }
  console.error('warm');
  const nothing = await meter.nothing(20);
  upstream.pace = PACE;
  const request = await meter.each(REQUESTS, async () => {
    for (let index = 0; index < REQUESTS; index++) await list(index % 2 ? somebody.near : somebody.far);
  });
  const chats = { near: [] as Counters[], far: [] as Counters[] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const which of ['near', 'far'] as const) {
      chats[which].push(await meter.each(USERS, () => ask(which, `round${round}`)));
    }
  }
  console.error('asked');

  const { id } = await somebody.ui.call<{ id: string }>('GET', '/api/v1/auths/');
  const heard = await meter.each(EVENTS, () => publish(redisUrl, `user:${id}`));
  const unheard = await meter.each(EVENTS, () => publish(redisUrl, 'user:nobody'));
  console.error('published');

  return { nothing, request, chats, tokens: PACE.tokens, heard, unheard };
}

/** Pages that are opened and show a chat of their own, stay, and are closed. */
async function pages(cluster: Cluster, admin: OpenWebui, redis: Redis, scope: Scope): Promise<object> {
  const meter = new Meter(cluster, redis);
  const users: OpenWebui[] = [];
  for (let index = 0; index < USERS; index++) users.push(await admin.addUser(`user${index}`));
  const privateBytes = () =>
    cluster.pythonWorkers().reduce((sum, { pid }) => sum + readMemory(pid).private, 0);
  const owners = Array.from({ length: PAGES }, (_, index) => users[index % USERS] ?? admin);
  const shown: { ui: OpenWebui; chatId: string }[] = [];
  await forAll(owners, async (ui) => shown.push({ ui, chatId: await newChat(ui) }));
  const open: PageSocket[] = [];
  const times: number[] = [];
  const beats: NodeJS.Timeout[] = [];
  scope.defer('heartbeats', () => beats.forEach(clearInterval));
  await meter.nothing(20);
  const before = privateBytes();
  const opened = await meter.each(PAGES, () =>
    forAll(shown, async ({ ui, chatId }) => {
      const page = await ui.connectSocket(scope);
      open.push(page);
      times.push(performance.now());
      await show(page, chatId, 'join');
      beats.push(setInterval(() => page.socket.emit('heartbeat', {}), HEARTBEAT_MS));
    }),
  );
  const pageBytes = (privateBytes() - before) / PAGES;
  const now = performance.now();
  const seconds = times.reduce((sum, time) => sum + (now - time) / 1000, 0) / PAGES;
  console.error('opened');
  const idle = await meter.each(PAGES * (IDLE_SECONDS + STATISTICS_MS / 1000), () =>
    sleep(IDLE_SECONDS * 1000),
  );
  // A heartbeat that is handled while its page closes writes a session that nobody has any more.
  beats.forEach(clearInterval);
  console.error(JSON.stringify({ opened: less(opened, idle, seconds), pageBytes, idle }));
  const closed = await meter.each(PAGES, async () => {
    while (open.length > 0) {
      for (const page of open.splice(0, CLOSED_AT_ONCE)) page.close();
      const isClosed = async () => (await redis.hLen(SESSION_POOL)) <= open.length;
      await until(isClosed, { what: 'the sessions of closed pages are gone', timeoutMs: SOCKET_TIMEOUT_MS });
    }
  });
  // While it was opened, the others were idle.
  return { opened: less(opened, idle, seconds), pageBytes, idle, closed };
}

/** Opening and leaving a chat, with so many sessions in Redis that belong to nobody here. */
async function presence(cluster: Cluster, ui: OpenWebui, redis: Redis, scope: Scope): Promise<object[]> {
  const meter = new Meter(cluster, redis);
  const page = await ui.connectSocket(scope);
  const chatId = await newChat(ui);
  const [own = '{}'] = await redis.hVals(SESSION_POOL);
  // They are not swept out as silent ones.
  const others = { ...JSON.parse(own), last_seen_at: Date.now(), chat_ids: [crypto.randomUUID()] };
  await meter.nothing(10);
  const results: object[] = [];
  let added = 0;
  for (const sessions of SESSIONS) {
    while (added < sessions) {
      const some = Array.from({ length: SESSIONS_AT_ONCE }, () => crypto.randomUUID());
      await redis.hSet(
        SESSION_POOL,
        Object.fromEntries(some.map((sid) => [sid, JSON.stringify({ ...others, id: sid })])),
      );
      added += SESSIONS_AT_ONCE;
    }
    const times = sessions > 10_000 ? 5 : 30;
    const took: number[] = [];
    const each = await meter.each(2 * times, async () => {
      for (let index = 0; index < 2 * times; index++) {
        const started = performance.now();
        await show(page, chatId, index % 2 ? 'leave' : 'join');
        took.push(performance.now() - started);
      }
    });
    results.push({ sessions, bytesOfOne: own.length, ms: summarize(took), ...each });
  }
  return results;
}

const STAGES: Record<string, () => Promise<unknown>> = {
  costs: () => withCluster([], costs),
  pages: () => withCluster([], pages),
  presence: () => withCluster([], presence),
  'presence without shortcuts': () => withCluster(['--no-shortcuts'], presence),
};
const chosen = process.argv.slice(2);
const results: Record<string, unknown> = {};
for (const [name, run] of Object.entries(STAGES)) {
  if (chosen.length > 0 && !chosen.some((each) => name.startsWith(each))) continue;
  results[name] = await run();
  console.error(`${name}: measured`);
}
console.log(JSON.stringify(results, undefined, 2));
