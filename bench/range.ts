/**
 * `npm run bench:range [-- WORKERS…]` (by default `1..4` and `4`): an office's day (days/make.ts), compressed into 20 minutes,
 * on a real cluster with so many workers. BENCH_MINUTES says into how many. Says for each what memory it took over the day,
 * how long answers took, what was lost, and how often the number of workers changed.
 *
 * Requests come at their own times, whether those before are answered or not. In the busiest hour there are
 * BENCH_RATE lists of chats a second (30), and one chat in BENCH_SHARE of them (40) whose answer takes a second.
 * The rule is not compressed: two minutes of calm are more than two hours of this day.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Scope } from '../src/base/io/scope.ts';
import { readMemory } from '../src/base/machine/process-memory.ts';
import { MIB } from '../src/base/units.ts';
import { OneConnection, request } from '../src/bench/client/http.ts';
import { OpenWebui, type PageSocket } from '../src/bench/client/open-webui.ts';
import { percentile } from '../src/bench/contest/statistics.ts';
import { wholeAnswer } from '../src/bench/scratch/upstream.ts';
import { readTold } from '../src/runtime/scale/told.ts';
import { type Cluster, planCluster } from '../test/kit/cluster.ts';
import { ROOT } from '../test/kit/environment.ts';
import { OFFICE_HOURS, poisson, random, shareAt } from './days/make.ts';
import { treePss } from './measure.ts';
import { type Figure, renderTable } from './statistics.ts';

const MINUTES = Number(process.env.BENCH_MINUTES ?? 20);
const RATE = Number(process.env.BENCH_RATE ?? 30);
const SHARE = Number(process.env.BENCH_SHARE ?? 40);
const PAGES = 8;
const TICK_MS = 50;
const LOOK_MS = 5_000;
const TIMEOUT_MS = 30_000;
/** Answers of a second. */
const PACE = { tokens: 50, pauseMs: 20 };

interface Look {
  /** Hour of the day. */
  hour: number;
  workers: number;
  /** MiB: all processes, shared pages counted once; and what workers, supervisors and the controller have for themselves. */
  tree: number;
  own: number;
}

interface Result {
  workers: string;
  looks: Look[];
  /** Milliseconds of each list of chats, and until the first words of each chat. */
  lists: { hour: number; ms: number }[];
  firstWords: number[];
  lost: string[];
  changes: { hour: number; from: number; to: number; cause: string }[];
}

function say(text: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)}  ${text}`);
}

/** Milliseconds after which an idle connection is not used again: uvicorn closes it after 5 s, maybe at that moment. */
const IDLE_MS = 2_000;

/** Connections that are kept alive, as many as requests are under way. */
class Connections {
  #idle: { agent: OneConnection; since: number }[] = [];

  async use<T>(work: (agent: OneConnection) => Promise<T>): Promise<T> {
    const [old, fresh] = [true, false].map((isOld) =>
      this.#idle.filter(({ since }) => performance.now() - since > IDLE_MS === isOld),
    );
    for (const { agent } of old ?? []) agent.destroy();
    this.#idle = fresh ?? [];
    const agent = this.#idle.pop()?.agent ?? new OneConnection();
    try {
      return await work(agent);
    } finally {
      this.#idle.push({ agent, since: performance.now() });
    }
  }

  close(): void {
    for (const { agent } of this.#idle.splice(0)) agent.destroy();
  }
}

async function lookAt(cluster: Cluster, preloadPid: number, hour: number): Promise<Look> {
  const processes = cluster.processes();
  const own = processes
    .filter(({ pid, name }) => pid !== preloadPid && name !== 'python')
    .map(({ pid }) => pid);
  const memories = own.flatMap((pid) => {
    try {
      return [readMemory(pid).private];
    } catch {
      return []; // it has ended
    }
  });
  return {
    hour,
    workers: cluster.pythonWorkers().length,
    tree: treePss(processes),
    own: memories.reduce((sum, bytes) => sum + bytes, 0) / MIB,
  };
}

async function live(workers: string): Promise<Result> {
  const scope = new Scope();
  const result: Result = { workers, looks: [], lists: [], firstWords: [], lost: [], changes: [] };
  try {
    const cluster = await planCluster(scope, { workers });
    await cluster.pm2.start(cluster.ecosystemFile);
    await cluster.untilServing(Number.parseInt(workers, 10));
    cluster.services.upstream.pace = PACE;
    const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
    const preloadPid = (await cluster.preload()).pid;
    const folder = dirname(await cluster.controlSocket());
    const pages = new Map<number, PageSocket>();
    /** A page reconnects when the worker that it is connected to has gone. */
    const pageOf = async (index: number) => {
      const known = pages.get(index);
      if (known?.socket.connected) return known;
      const page = await ui.connectSocket(scope);
      pages.set(index, page);
      return page;
    };
    const connections = new Connections();
    const next = random(1);
    const underWay = new Set<Promise<void>>();
    const during = (work: Promise<void>) => {
      underWay.add(work);
      work.finally(() => underWay.delete(work));
    };
    const list = async (hour: number) => {
      const from = performance.now();
      const url = `${cluster.url}/api/v1/chats/?page=1`;
      try {
        const { status } = await connections.use((agent) =>
          request(url, { headers: ui.headers, agent, timeoutMs: TIMEOUT_MS }),
        );
        if (status !== 200) result.lost.push(`${hour.toFixed(1)} h: a list of chats: ${status}`);
      } catch (error) {
        result.lost.push(`${hour.toFixed(1)} h: a list of chats: ${String(error)}`);
      }
      result.lists.push({ hour, ms: performance.now() - from });
    };
    let asked = 0;
    const busyPages = new Set<number>();
    const chat = async (hour: number) => {
      const index = Array.from({ length: PAGES }, (_, one) => one).find((one) => !busyPages.has(one));
      if (index === undefined) return;
      busyPages.add(index);
      const prompt = `question${asked++}`;
      try {
        // Its answer is saved whatever becomes of the page's socket.
        const page = await pageOf(index);
        const { chatId, messageId } = await ui.post(page, prompt);
        const from = performance.now();
        for (;;) {
          const { task_ids } = await ui.call<{ task_ids: string[] }>('GET', `/api/tasks/chat/${chatId}`);
          if (task_ids.length === 0) break;
          if (performance.now() - from > TIMEOUT_MS) throw new Error('it does not end');
          await sleep(200);
        }
        result.firstWords.push(performance.now() - from);
        const saved = await ui.savedAnswer({ chatId, messageId });
        if (saved !== wholeAnswer(prompt, PACE)) throw new Error(`broken: ${saved.slice(0, 80)}`);
      } catch (error) {
        result.lost.push(`${hour.toFixed(1)} h: ${prompt}: ${String(error)}`);
      } finally {
        busyPages.delete(index);
      }
    };

    say(`${workers}: the day begins`);
    const began = performance.now();
    const lasts = MINUTES * 60_000;
    const beganAt = Date.now();
    const hourAt = (ms: number) => (ms / lasts) * 24;
    let looked = Number.NEGATIVE_INFINITY;
    let ticked = began;
    for (;;) {
      const now = performance.now();
      const hour = hourAt(now - began);
      if (hour >= 24) break;
      const mean = (RATE * shareAt(OFFICE_HOURS, hour) * (now - ticked)) / 1000;
      ticked = now;
      for (let more = poisson(mean, next); more > 0; more--) {
        during(list(hour));
        if (next() < 1 / SHARE) during(chat(hour));
      }
      if (now - looked >= LOOK_MS) {
        looked = now;
        during(lookAt(cluster, preloadPid, hour).then((look) => void result.looks.push(look)));
      }
      await sleep(TICK_MS);
    }
    await Promise.all(underWay);
    connections.close();
    for (const page of pages.values()) page.close();
    result.changes = (readTold(folder)?.changes ?? []).map(({ at, from, to, cause }) => ({
      hour: hourAt(at - beganAt),
      from,
      to,
      cause,
    }));
    say(`${workers}: the day is over, ${result.lost.length} lost`);
    return result;
  } finally {
    await scope.close();
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function figuresOf({ workers, looks, lists, firstWords, lost, changes }: Result): Figure[] {
  const figure = (what: string, unit: string, ...samples: number[]): Figure => ({
    what: `${workers}: ${what}`,
    unit,
    samples,
  });
  const all = lists.map(({ ms }) => ms);
  const byHour = Array.from({ length: 24 }, (_, hour) =>
    percentile(
      lists.filter((one) => Math.floor(one.hour) === hour).map(({ ms }) => ms),
      0.99,
    ),
  ).filter(Number.isFinite);
  return [
    figure('workers', '', ...looks.map((look) => look.workers)),
    figure('workers, mean of the day', '', mean(looks.map((look) => look.workers))),
    figure('changes of the number', '', changes.length),
    figure('memory of the whole tree', 'MiB', ...looks.map(({ tree }) => tree)),
    figure('memory of the whole tree, mean of the day', 'MiB', mean(looks.map(({ tree }) => tree))),
    figure('memory of workers, supervisors and controller, mean', 'MiB', mean(looks.map(({ own }) => own))),
    figure('lists of chats', '', all.length),
    figure('a list, median', 'ms', percentile(all, 0.5)),
    figure('a list, p99', 'ms', percentile(all, 0.99)),
    figure('a list, p99 of each hour', 'ms', ...byHour),
    figure('chats', '', firstWords.length),
    figure('an answer, p99', 'ms', percentile(firstWords, 0.99)),
    { ...figure('lost', '', lost.length), limit: 0 },
  ];
}

const kinds = process.argv.length > 2 ? process.argv.slice(2) : ['1..4', '4'];
const folder = join(ROOT, 'bench-results');
mkdirSync(folder, { recursive: true });
const figures: Figure[] = [];
for (const workers of kinds) {
  const result = await live(workers);
  const ours = figuresOf(result);
  figures.push(...ours);
  appendFileSync(
    join(folder, 'range.jsonl'),
    `${JSON.stringify({ at: new Date().toISOString(), MINUTES, RATE, SHARE, ...result, lists: undefined, figures: ours })}\n`,
  );
  for (const change of result.changes) {
    console.log(`${workers}: ${change.hour.toFixed(1)} h: ${change.from} → ${change.to}, ${change.cause}`);
  }
  for (const what of result.lost.slice(0, 20)) console.log(`${workers}: lost: ${what}`);
}
console.log(
  `\na day of ${MINUTES} minutes, ${cpus().length} × ${cpus()[0]?.model}\n\n${renderTable(figures)}`,
);
