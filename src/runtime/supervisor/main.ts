/**
 * The supervisor, PM2's cluster worker: it watches one Python worker, and no request passes through it.
 *
 * It carries out what decisions.ts decides. Everything that it loads costs memory in each instance, so it uses Node's own
 * modules alone.
 */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isStopped } from '../../base/machine/process-table.ts';
import { APPS, ENV, EXIT_CANNOT_BOOT, READY_SECONDS, RUN_FOLDER, WORKER_END_SECONDS } from '../contract.ts';
import { FRAMES } from '../frame-names.ts';
import { step } from './decisions.ts';
import { findHost } from './find-host.ts';
import { Handover } from './handover.ts';
import { History } from './history.ts';
import { PreloadLink, type WorkerEvents, WorkerLink } from './links.ts';
import { complain, exitOnceWritten, instance, loss, retryLog, say, write } from './log.ts';
import { readMemory } from './memory.ts';
import { MemoryLimit } from './memory-limit.ts';
import { Observer } from './observer.ts';
import type { SupervisorReport } from './report.ts';
import {
  type Action,
  type Because,
  type Event,
  hangs,
  initialState,
  isPreloadSilent,
  serving as servingWorker,
  type Worker,
} from './state.ts';

/** Seconds between two looks at the worker's memory. Each costs the kernel some 5 ms. */
const MEMORY_INTERVAL = 10;

const host = findHost(process.env);
const drainSeconds = Number(required(ENV.drainSeconds));
const memoryLimit = Number(process.env[ENV.memoryLimit] ?? Number.POSITIVE_INFINITY);

/** Seconds between two looks at whether the worker has sent a beat. */
const TICK = 1;

/** Seconds after which an instance without a worker takes over the former one, a minute before PM2 would stop that. */
const STRANDED_AFTER = READY_SECONDS - 60;

let state = {
  ...initialState,
  hangSeconds: Number(process.env[ENV.hangSeconds] ?? initialState.hangSeconds),
};
/** Why the next supervisor took our worker over. */
let handoverReason = '';
const limit = new MemoryLimit(memoryLimit);
/** Pid of the worker whose memory could not be read at the last look; 0: the log says so already. */
let unreadable: number | undefined;
/** The level that the preload process named, and its pid while it is connected. */
let level = '';
let preloadPid: number | undefined;
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
    preloadPid = welcome.pid;
    handover.listen();
    dispatch({ type: 'linked', generation: { name: welcome.name, version: welcome.version } });
  },
  onGone: () => {
    preloadPid = undefined;
    dispatch({ type: 'unlinked' });
  },
  onBeat: () => dispatch({ type: 'linkBeat' }),
  onWaiting: (reason) => {
    say(`waiting for ${APPS.preload} (${reason}); its log says what it is doing`);
    dispatch({ type: 'stranded', reason: trouble() ?? `there is no ${APPS.preload} (${reason})` });
  },
  onOffer: () => serving()?.link.send({ type: FRAMES.offer }),
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
    current.link.send({ type: FRAMES.move, path });
    return true;
  },
  onFailed: (reason) => complain(`a later reload could not take our worker over: ${reason}`),
  onWatched: report,
});

function report(): SupervisorReport {
  return {
    pid: process.pid,
    level,
    ...(state.link && { linked: state.link.name }),
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
      preload.send({ type: FRAMES.cancel, worker: preload.name(action.token) });
      return workers.get(action.token)?.close();
    case 'drain':
      return drain(action.token);
    case 'terminate':
      return workers.get(action.token)?.kill('SIGTERM');
    case 'trace':
      return workers.get(action.token)?.kill('SIGQUIT');
    case 'kill':
      return workers.get(action.token)?.kill('SIGKILL');
    case 'killPreload':
      return killPreload();
    case 'adopt':
      adopt(action.reason);
      return;
    case 'vacant':
      return history.leaves(action);
    case 'announce':
      return host.ready();
    case 'tellReady':
      history.serves(workers.get(action.token)?.pid ?? 0, action.because);
      return preload.send({ type: FRAMES.ready, worker: preload.name(action.token) });
    case 'tellReplaced':
      return preload.send({ type: FRAMES.replaced, worker: preload.name(action.token) });
    case 'rest':
      setTimeout(() => dispatch({ type: 'retry' }), action.seconds * 1000);
      return;
    case 'log':
      return say(action.message);
    case 'complain':
      return complain(action.message);
    case 'exit':
      history.leaves(action);
      return exitOnceWritten(action.code === 0 && !state.announced ? host.stoppedEarly : action.code);
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
      history.ended(workers.get(token)?.stats ?? { requests: 0 });
      workers.delete(token);
      dispatch({ type: 'exited', token, ending });
    },
  };
}

function killPreload(): void {
  if (preloadPid === undefined) return;
  try {
    process.kill(preloadPid, 'SIGKILL');
  } catch {
    // Another supervisor was first.
  }
}

/** Why the preload process could not start, as it wrote down itself (preload/webui_preload/main.py, _leave_word). */
function trouble(): string | undefined {
  try {
    const words = readFileSync(join(runFolder, RUN_FOLDER.trouble), 'utf8');
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
  // Its first memory is not known, and it may have grown: its limit is enforced in any case.
  link.firstMemory = 0;
  workers.set(token, link);
  history.adopted(adopted.pid);
  host.showPid(link.pid);
  dispatch({ type: 'adopted', token, generation: adopted.generation, reason });
  publish();
}

function drain(token: string): void {
  const link = workers.get(token);
  link?.send({ type: FRAMES.drain });
  const seconds = drainSeconds + WORKER_END_SECONDS;
  setTimeout(() => {
    if (workers.get(token) !== link || !link) return;
    complain(`worker ${link.pid} did not leave within ${seconds} s: killing it`);
    link.kill('SIGKILL');
  }, seconds * 1000).unref();
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
  if (current && !memory) doubtMemory(current.link.pid);
  if (!current || !memory) return;
  host.show({
    pid: current.link.pid ?? 0,
    privateMemory: memory.private,
    sharedMemory: memory.shared,
    level,
    generation: current.worker.generation.name,
    stats: current.link.stats,
    identity: current.link.identity,
    silentPreload: isPreloadSilent(state) ? state.linkSilent : undefined,
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

/** Complains at the second look in a row: at the first, the worker may just be ending. */
function doubtMemory(pid: number | undefined): void {
  if (pid !== undefined && unreadable === pid) {
    complain(
      `the memory of worker ${pid} cannot be read (/proc/${pid}/smaps_rollup): its limit is not enforced`,
    );
    unreadable = 0; // said once
  } else if (unreadable !== 0) {
    unreadable = pid;
  }
}

/** In the place of PM2's max_memory_restart, which looks at RSS and so counts the shared pages in every worker. */
function enforceMemoryLimit({ token, served }: Worker, link: WorkerLink, memory: number): void {
  link.firstMemory ??= memory;
  const { detail, complaint } = limit.judge({ token, memory, firstMemory: link.firstMemory, served });
  if (complaint) complain(complaint);
  if (detail) dispatch({ type: 'unfit', token, because: { cause: 'memory', detail } });
}

setInterval(() => {
  publish();
  retryLog(host.reopenLogs);
}, MEMORY_INTERVAL * 1000).unref();

let ticked = performance.now();
setInterval(() => {
  const now = performance.now();
  // Where this process did not run either (the machine slept, or is far too busy), it could not have heard a beat.
  const seconds = Math.min((now - ticked) / 1000, 2 * TICK);
  for (const { token, phase } of state.workers) {
    const pid = workers.get(token)?.pid;
    if ((phase !== 'booting' && phase !== 'leaving') || pid === undefined) continue;
    dispatch({ type: 'stood', token, seconds: isStopped(pid) ? seconds : 0 });
  }
  dispatch({ type: 'tick', seconds });
  ticked = now;
  host.alive();
}, TICK * 1000).unref();

setTimeout(() => {
  dispatch({ type: 'stranded', reason: `no new worker was ready within ${STRANDED_AFTER} s` });
}, STRANDED_AFTER * 1000).unref();

// --- the process --------------------------------------------------------------------------------

// PM2 stops an instance with SIGINT, systemd with SIGTERM. When the PM2 daemon dies, Node ends this process; the Python
// worker then sees the end of its control channel.
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

// Where the preload process has made the folder already, `webui-tune top` can see this instance wait.
if (existsSync(runFolder)) handover.listen();
preload.connect();

function required(name: string): string {
  const value = process.env[name];
  if (value) return value;
  complain(`${name} is not set: this is started by PM2, from the file that webui-tune writes`);
  process.exit(EXIT_CANNOT_BOOT);
}
