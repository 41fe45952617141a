import { mkdirSync, rmSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { LOOPBACK } from '../../base/io/address.ts';
import { packageVersion } from '../../base/io/package.ts';
import { freePort } from '../../base/io/port.ts';
import { Scope } from '../../base/io/scope.ts';
import { readMachine } from '../../base/machine/index.ts';
import { OpenWebui } from '../client/open-webui.ts';
import { type Contender, contendersFor } from './contenders.ts';
import { FIGURE_IDS, type Figures } from './figures.ts';
import { type Life, live, type Mix } from './life.ts';
import { CONNECTIONS } from './load.ts';
import { startOurs } from './ours.ts';
import type { BenchReport, ContenderReport } from './schema.ts';
import { type Server, untilAnswered } from './server.ts';
import { type Ground, type Stage, setStage } from './stage.ts';
import { READERS } from './streams.ts';
import { sweep } from './sweep.ts';
import { judge } from './targets.ts';
import { apiCalls, chatCalls, readRecording } from './visits.ts';

/** Chats that the user has when a page asks for them. */
const CHATS = 30;

/** Users that are added at a time: a password takes a core 0.2 s to hash. */
const ADDED_AT_ONCE = 8;

const SEED_TIMEOUT_MS = 600_000;

/** What is done now, and the share of all that is done, from 0 to 1. */
export type Tell = (text: string, share: number) => void;

export interface BenchOptions {
  workers: number;
  rounds: number;
  /** Of each slice of load. */
  seconds: number;
  /** Ids of contenders; undefined: all. */
  only?: readonly string[];
  /** Nothing but our own workers, from one to twice as many as there are cores. */
  sweep?: boolean;
}

export interface BenchGround extends Ground {
  openWebui: { version: string; python: string };
}

/**
 * Runs the contenders side by side: in each round each of them lives once, alone, on services of the bench's own and a
 * fresh copy of one database. That a contender cannot do something is a result. Throws TuneError for what stops all of
 * them; `scope` ends what is left when it is closed early.
 */
export async function runBench(
  scope: Scope,
  options: BenchOptions,
  ground: BenchGround,
  tell: Tell,
): Promise<BenchReport> {
  const started = performance.now();
  const taken = new Date().toISOString();
  const busyAtStart = loadavg()[0] ?? 0;
  const { memory, cpu } = await readMachine();
  const chosen = options.sweep ? [] : chooseContenders(contendersFor(options.workers), options.only);
  tell('services start', 0);
  const stage = await setStage(scope, ground, (text) => tell(text, 0));
  tell('a database is filled', 0);
  const mix = await seed(scope, stage);
  const contenders = await compete(scope, chosen, stage, mix, options, tell);
  const sweeping = options.sweep
    ? await sweep(scope, stage, mix, { ...options, cores: cpu.physicalCores }, (text) => tell(text, 0.5))
    : undefined;
  return {
    version: packageVersion(),
    taken,
    minutes: (performance.now() - started) / 60_000,
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpu.quota?.cores ?? cpu.logicalCpus,
      memoryBytes: memory.limit?.bytes ?? memory.totalBytes,
      kernel: release(),
      node: process.version,
      python: ground.openWebui.python,
      openWebui: ground.openWebui.version,
      services: stage.services,
      busyAtStart,
    },
    options: {
      workers: options.workers,
      rounds: options.rounds,
      seconds: options.seconds,
      connections: CONNECTIONS,
    },
    contenders,
    targets: options.sweep ? [] : judge(contenders),
    ...(sweeping && { sweep: sweeping }),
  };
}

/** Throws TuneError for an id that there is not. */
export function chooseContenders(
  all: readonly Contender[],
  only: readonly string[] | undefined,
): Contender[] {
  if (only === undefined) return [...all];
  const ids = all.map(({ id }) => id);
  for (const id of only) {
    if (!ids.includes(id))
      throw new TuneError(`there is no contender ${JSON.stringify(id)}`, EXIT.usage, [
        `there are ${ids.join(', ')}`,
      ]);
  }
  return all.filter(({ id }) => only.includes(id));
}

/** Tables, an administrator and chats, by one worker of ours; and with it the page's files are compressed. */
async function seed(outer: Scope, stage: Stage): Promise<Mix> {
  const scope = new Scope();
  outer.defer('the filling of the database', () => scope.close());
  try {
    const folder = join(stage.folder, 'seed');
    mkdirSync(folder, { mode: 0o700 });
    const input = { folder, port: await freePort(LOOPBACK, 0), databaseUrl: stage.template, workers: 1 };
    const server = await startOurs(scope, stage, input, {});
    await untilAnswered(server, () => (server.workers().length === 1 ? server.workers() : undefined), {
      what: 'Open WebUI serves',
      timeoutMs: SEED_TIMEOUT_MS,
    });
    try {
      return await fill(server, stage);
    } catch (cause) {
      throw new Error(`${(cause as Error).message}\n${server.logTail()}`, { cause });
    }
  } finally {
    await scope.close();
  }
}

async function fill(server: Server, stage: Stage): Promise<Mix> {
  const ui = await OpenWebui.signIn(server.url, stage.admin);
  const { id } = await ui.call<{ id: string }>('GET', '/api/v1/auths/');
  let chatId = '';
  for (let index = 0; index < CHATS; index++) {
    const chat = { title: `Heron ${index}`, history: { messages: {} } };
    ({ id: chatId } = await ui.call<{ id: string }>('POST', '/api/v1/chats/new', { chat }));
  }
  const recording = readRecording();
  const readers: string[] = [];
  while (readers.length < READERS) {
    const added = Array.from({ length: ADDED_AT_ONCE }, (_, index) =>
      ui.addUser(`reader${readers.length + index}`),
    );
    readers.push(...(await Promise.all(added)).map(({ token }) => token));
  }
  return {
    readers,
    visit: recording.first,
    api: [...apiCalls(recording, id), ...chatCalls(recording, chatId)],
  };
}

/** Runs each of them once a round, in alternating order, so that other work on the machine affects all alike. */
async function compete(
  scope: Scope,
  contenders: readonly Contender[],
  stage: Stage,
  mix: Mix,
  { rounds, seconds }: BenchOptions,
  tell: Tell,
): Promise<ContenderReport[]> {
  const lives = new Map<Contender, Life[]>(contenders.map((contender) => [contender, []]));
  let done = 0;
  const all = contenders.reduce((sum, { memoryOnly }) => sum + (memoryOnly ? 1 : rounds), 0);
  for (let round = 0; round < rounds; round++) {
    for (const contender of round % 2 ? [...contenders].reverse() : contenders) {
      const former = lives.get(contender) ?? [];
      // Memory varies little, and a failure would only repeat.
      if ((contender.memoryOnly && round > 0) || former.some(({ failure }) => failure !== undefined))
        continue;
      const where = `round ${round + 1} of ${rounds}, ${contender.name}${contender.memoryOnly ? ' (memory)' : ''}`;
      // A reload of theirs takes longer than all the rest, and streams and documents take half a minute.
      const life = await live(scope, contender, stage, mix, { seconds, disturb: round === 0 }, (text) =>
        tell(`${where}: ${text}`, done / all),
      );
      if (life.failure !== undefined) tell(`${where}: failed: ${life.failure}`, done / all);
      former.push(life);
      done += 1;
    }
  }
  rmSync(join(stage.folder, 'seed'), { recursive: true, force: true });
  return [...lives].map(([contender, its]) => merge(contender, its));
}

/** All samples of a contender's lives. */
export function merge(
  { id, name, how, workers, memoryOnly = false }: Contender,
  lives: readonly Life[],
): ContenderReport {
  const figures: Figures = {};
  for (const figure of FIGURE_IDS) {
    const samples = lives.flatMap((life) => life.figures[figure] ?? []);
    if (samples.length > 0) figures[figure] = samples;
  }
  const failure = lives.find((life) => life.failure !== undefined)?.failure;
  return {
    id,
    name,
    how,
    workers,
    memoryOnly,
    figures,
    notes: [...new Set(lives.flatMap(({ notes }) => notes))],
    ...(failure !== undefined && { failure }),
  };
}
