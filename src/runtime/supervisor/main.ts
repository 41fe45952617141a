/**
 * The cluster worker that PM2 starts: supervises one Python worker, and is not in the path of any request.
 *
 * It carries out what decisions.ts decides. Everything it loads costs memory once an instance, so it stands on
 * Node's own modules alone.
 */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { APPS, ENV, LEAST_GROWTH, READY_SECONDS } from '../contract.ts';
import { step } from './decisions.ts';
import { findHost } from './find-host.ts';
import { Handover } from './handover.ts';
import { History } from './history.ts';
import { PreloadLink, type WorkerEvents, WorkerLink } from './links.ts';
import { complain, exitOnceWritten, instance, loss, retryLog, say, write } from './log.ts';
import { readMemory } from './memory.ts';
import { Observer } from './observer.ts';
import type { SupervisorReport } from './report.ts';
import {
  type Action,
  type Because,
  type Event,
  hangs,
  initialState,
  serving as servingWorker,
  type Worker,
} from './state.ts';

/** Seconds between two looks at the worker's memory. To read it takes the kernel some 5 ms. */
const MEMORY_INTERVAL = 10;

/** Seconds beyond its drain time before a worker that does not leave is killed. */
const KILL_MARGIN = 8;

const host = findHost(process.env);
const drainSeconds = Number(required(ENV.drainSeconds));
const memoryLimit = Number(process.env[ENV.memoryLimit] ?? Number.POSITIVE_INFINITY);

/** Seconds between two looks at whether the worker was heard of. */
const TICK = 1;

/** Seconds after which an instance takes over the former worker if it has none: PM2 stops that one soon after. */
const STRANDED_AFTER = READY_SECONDS - 60;

let state = {
  ...initialState,
  hangSeconds: Number(process.env[ENV.hangSeconds] ?? initialState.hangSeconds),
};
/** Why the next supervisor took our worker over. */
let handoverReason = '';
let limitDoubted = false;
/** What the preload process shares with its workers, in its own words. */
let level = '';
const workers = new Map<string, WorkerLink>();
const runFolder = dirname(required(ENV.controlSocket));
let historyDoubted = false;
const history = new History(runFolder, instance, (reason) => {
  if (!historyDoubted) complain(`why workers are replaced cannot be kept for webui-tune top: ${reason}`);
  historyDoubted = true;
});

let observerDoubted = false;
const observer = new Observer(runFolder, instance, (reason) => {
  if (!observerDoubted) complain(`what workers take cannot be kept for the next plan: ${reason}`);
  observerDoubted = true;
});

const preload = new PreloadLink(required(ENV.controlSocket), instance, {
  isServing: () => serving() !== undefined,
  onWelcome: (welcome) => {
    say(`connected to generation ${welcome.name} (Open WebUI ${welcome.version}, preload ${welcome.level})`);
    level = welcome.level;
    handover.listen();
    dispatch({ type: 'linked', generation: { name: welcome.name, version: welcome.version } });
  },
  onGone: () => dispatch({ type: 'unlinked' }),
  onWaiting: (reason) => {
    say(`waiting for ${APPS.preload} (${reason}); its log says what it is doing`);
    dispatch({ type: 'stranded', reason: trouble() ?? `there is no ${APPS.preload} (${reason})` });
  },
  onOffer: () => serving()?.link.send({ type: 'offer' }),
  onForked: (token, pid) => {
    workers.get(token)?.forked(pid);
    dispatch({ type: 'forked', token });
  },
  onExited: (token, ending) => workers.get(token)?.exited(ending),
});

const handover = new Handover(required(ENV.controlSocket), instance, {
  onAsked: (reason, path) => {
    const current = serving();
    if (!current || hangs(current.worker, state)) return false;
    handoverReason = reason;
    current.link.send({ type: 'move', path });
    return true;
  },
  onFailed: (reason) => complain(`a later reload could not take our worker over: ${reason}`),
  onWatched: report,
});

function report(): SupervisorReport {
  return {
    pid: process.pid,
    level,
    ...(Number.isFinite(memoryLimit) && { memoryLimit }),
    workers: state.workers.map((worker) => {
      const link = workers.get(worker.token);
      return {
        ...(link?.pid !== undefined && { pid: link.pid }),
        phase: worker.phase,
        hangs: hangs(worker, state),
        generation: worker.generation.name,
        version: worker.generation.version,
        ...link?.stats,
      };
    }),
  };
}

function dispatch(event: Event): void {
  const [next, actions] = step(state, event);
  state = next;
  for (const action of actions) perform(action);
}

function perform(action: Action): void {
  switch (action.type) {
    case 'fork':
      return fork(action.token, action.replaces);
    case 'cancel':
      preload.send({ type: 'cancel', worker: preload.name(action.token) });
      return workers.get(action.token)?.close();
    case 'drain':
      return drain(action.token);
    case 'terminate':
      return workers.get(action.token)?.kill('SIGTERM');
    case 'trace':
      return workers.get(action.token)?.kill('SIGQUIT');
    case 'kill':
      return workers.get(action.token)?.kill('SIGKILL');
    case 'adopt':
      adopt(action.reason);
      return;
    case 'vacant':
      return history.leaves(action);
    case 'announce':
      return host.ready();
    case 'tellReady':
      history.serves(workers.get(action.token)?.pid ?? 0, action.because);
      return preload.send({ type: 'ready', worker: preload.name(action.token) });
    case 'tellReplaced':
      return preload.send({ type: 'replaced', worker: preload.name(action.token) });
    case 'rest':
      setTimeout(() => dispatch({ type: 'retry' }), action.seconds * 1000);
      return;
    case 'log':
      return say(action.message);
    case 'complain':
      return complain(action.message);
    case 'exit':
      history.leaves(action);
      return exitOnceWritten(action.code);
  }
}

function fork(token: string, replaces: boolean): void {
  const started = performance.now();
  const onReady = () => {
    say(`worker ${link.pid} serves, ${Math.round(performance.now() - started)} ms after it was asked for`);
    host.showPid(link.pid);
    dispatch({ type: 'ready', token });
    publish();
  };
  const link = preload.requestWorker(token, { ...eventsOf(token), onReady, replaces, drainSeconds });
  workers.set(token, link);
}

function eventsOf(token: string): WorkerEvents {
  return {
    onOutput: (text) => write(process.stdout, text),
    onError: (text) => write(process.stderr, text),
    onReady: () => {},
    onBeat: () => dispatch({ type: 'beat', token }),
    onMoved: () => {
      say(`the next supervisor has the worker: ${handoverReason}`);
      workers.delete(token);
      dispatch({ type: 'handedOver', token });
    },
    onExited: (ending) => {
      history.ended(workers.get(token)?.stats?.requests ?? 0);
      workers.delete(token);
      dispatch({ type: 'exited', token, ending });
    },
  };
}

/** Why the preload process could not start, in its own words (main.py, TROUBLE). */
function trouble(): string | undefined {
  try {
    const words = readFileSync(join(runFolder, 'trouble'), 'utf8');
    return `${APPS.preload} cannot start: ${words}`;
  } catch {
    return undefined;
  }
}

async function adopt(reason: string): Promise<void> {
  const adopted = await handover.adopt(reason);
  if (!adopted) return dispatch({ type: 'alone' });
  const token = 'adopted';
  const link = new WorkerLink(adopted.channels, eventsOf(token), () => preload.isUp);
  link.pid = adopted.pid;
  // It may have grown already: at its limit it is replaced all the same.
  link.firstMemory = 0;
  workers.set(token, link);
  history.adopted(adopted.pid);
  host.showPid(link.pid);
  dispatch({ type: 'adopted', token, generation: adopted.generation, reason });
  publish();
}

function drain(token: string): void {
  const link = workers.get(token);
  link?.send({ type: 'drain', seconds: drainSeconds });
  setTimeout(
    () => {
      if (workers.get(token) !== link || !link) return;
      complain(`worker ${link.pid} did not leave within ${drainSeconds + KILL_MARGIN} s: killing it`);
      link.kill('SIGKILL');
    },
    (drainSeconds + KILL_MARGIN) * 1000,
  ).unref();
}

/** The worker that accepts connections: what is decided about it, and its connections. */
function serving(): { worker: Worker; link: WorkerLink } | undefined {
  const worker = servingWorker(state);
  const link = worker && workers.get(worker.token);
  return worker && link && { worker, link };
}

// --- its memory ---------------------------------------------------------------------------------

function publish(): void {
  const current = serving();
  const memory = current?.link.pid === undefined ? undefined : readMemory(current.link.pid);
  if (!current || !memory) return;
  host.show({
    pid: current.link.pid ?? 0,
    privateMemory: memory.private,
    sharedMemory: memory.shared,
    level,
    generation: current.worker.generation.name,
    stats: current.link.stats,
    identity: current.link.identity,
    lostLog: loss.inWords(),
  });
  enforceMemoryLimit(current.worker, current.link, memory.private);
  observer.look({
    pid: current.link.pid ?? 0,
    generation: current.worker.generation.name,
    memory: memory.private,
    firstMemory: current.link.firstMemory ?? memory.private,
    limit: memoryLimit,
    requests: current.link.stats?.requests ?? 0,
  });
}

/** PM2's max_memory_restart would look at RSS, which counts the shared pages in every worker. */
function enforceMemoryLimit({ token }: Worker, link: WorkerLink, privateMemory: number): void {
  link.firstMemory ??= privateMemory;
  if (privateMemory <= memoryLimit) return;
  // A successor of the same size would be replaced at once, and so for ever.
  if (link.firstMemory * (1 + LEAST_GROWTH) > memoryLimit) {
    if (!limitDoubted) {
      complain(
        `the limit of ${memoryLimit} MiB is too low: a worker starts with ${link.firstMemory.toFixed(0)} MiB of ` +
          'private memory. It is not enforced; plan anew with webui-tune, or name a higher one in the preset',
      );
    }
    limitDoubted = true;
    return;
  }
  const detail = `its private memory is ${privateMemory.toFixed(0)} MiB, its limit ${memoryLimit} MiB`;
  dispatch({ type: 'unfit', token, because: { cause: 'memory', detail } });
}

setInterval(() => {
  publish();
  retryLog(host.reopenLogs);
}, MEMORY_INTERVAL * 1000).unref();

let ticked = performance.now();
setInterval(() => {
  const now = performance.now();
  // Where this process did not run either (a machine that sleeps, or is far too busy), no beat was to be heard.
  dispatch({ type: 'tick', seconds: Math.min((now - ticked) / 1000, 2 * TICK) });
  ticked = now;
  host.alive();
}, TICK * 1000).unref();

setTimeout(() => {
  dispatch({ type: 'stranded', reason: `no new worker was ready within ${STRANDED_AFTER} s` });
}, STRANDED_AFTER * 1000).unref();

// --- the process --------------------------------------------------------------------------------

// PM2 stops an instance with SIGINT, systemd with SIGTERM. When the PM2 daemon dies, Node ends this process, and the
// Python worker sees the end of its control channel.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
host.listen({ stop, reload });

function stop(): void {
  host.stopping(state.retired ? handoverReason : undefined);
  dispatch({ type: 'stop' });
}

function reload(): void {
  const current = serving();
  const because: Because = { cause: 'reload', detail: 'a reload was asked for' };
  if (current) dispatch({ type: 'unfit', token: current.worker.token, because });
}

// The folder is made by the preload process; where it is there, whoever watches sees this instance wait.
if (existsSync(runFolder)) handover.listen();
preload.connect();

function required(name: string): string {
  const value = process.env[name];
  if (value) return value;
  complain(`${name} is not set: this is started by PM2, from the file that webui-tune writes`);
  process.exit(78);
}
