/**
 * The cluster worker that PM2 starts: supervises one Python worker, and is not in the path of any request.
 *
 * It carries out what supervisor.ts decides. Everything it loads costs memory once an instance, so it stands on
 * Node's own modules alone.
 */

import { APPS, ENV } from './contract.ts';
import { PreloadLink, type WorkerLink } from './links.ts';
import { readMemory } from './memory.ts';
import { type Action, type Event, initialState, step, type Worker } from './supervisor.ts';

/** Seconds between two looks at the worker's memory. To read it takes the kernel some 5 ms. */
const MEMORY_INTERVAL = 10;

/** Seconds beyond its drain time before a worker that does not leave is killed. */
const KILL_MARGIN = 8;

/** A limit has to leave a worker this much room above what it starts with. */
const LEAST_GROWTH = 1.25;

const instance = process.env.NODE_APP_INSTANCE ?? '0';
const drainSeconds = Number(required(ENV.drainSeconds));
const memoryLimit = Number(process.env[ENV.memoryLimit] ?? Number.POSITIVE_INFINITY);

let state = initialState;
let limitDoubted = false;
/** What the preload process shares with its workers, in its own words. */
let level = '';
const workers = new Map<string, WorkerLink>();

const preload = new PreloadLink(required(ENV.controlSocket), instance, {
  isServing: () => serving() !== undefined,
  onWelcome: (welcome) => {
    say(`connected to generation ${welcome.name} (Open WebUI ${welcome.version}, preload ${welcome.level})`);
    level = welcome.level;
    dispatch({ type: 'linked', generation: { name: welcome.name, version: welcome.version } });
  },
  onGone: () => dispatch({ type: 'unlinked' }),
  onWaiting: (reason) => say(`waiting for ${APPS.preload} (${reason}); its log says what it is doing`),
  onOffer: () => serving()?.link.send({ type: 'offer' }),
  onForked: (token, pid) => {
    workers.get(token)?.forked(pid);
    dispatch({ type: 'forked', token });
  },
  onExited: (token, ending) => workers.get(token)?.exited(ending),
});

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
    case 'announce':
      process.send?.('ready');
      return;
    case 'tellReady':
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
      return exitOnceWritten(action.code);
  }
}

function fork(token: string, replaces: boolean): void {
  const started = performance.now();
  const link = preload.requestWorker(token, {
    replaces,
    drainSeconds,
    onOutput: (text) => write(process.stdout, text),
    onError: (text) => write(process.stderr, text),
    onReady: () => {
      say(`worker ${link.pid} serves, ${Math.round(performance.now() - started)} ms after it was asked for`);
      showPid(link.pid);
      dispatch({ type: 'ready', token });
      publish();
    },
    onExited: (ending) => {
      workers.delete(token);
      dispatch({ type: 'exited', token, ending });
    },
  });
  workers.set(token, link);
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
  const worker = state.workers.find((w) => w.phase === 'serving');
  const link = worker && workers.get(worker.token);
  return worker && link && { worker, link };
}

// --- what PM2 shows -----------------------------------------------------------------------------

/** `pm2 list` then shows the Python worker's CPU and memory (RSS, shared pages included). */
function showPid(pid: number | undefined): void {
  process.send?.({ type: 'axm:option:configuration', data: { pid } });
}

/** `pm2 describe` and `pm2 monit` show these. */
function publish(): void {
  const current = serving();
  const memory = current?.link.pid === undefined ? undefined : readMemory(current.link.pid);
  if (!current || !memory) return;
  process.send?.({
    type: 'axm:monitor',
    data: {
      'Worker pid': { value: String(current.link.pid) },
      'Private memory': { value: memory.private.toFixed(0), unit: 'MiB' },
      'Shared memory': { value: memory.shared.toFixed(0), unit: 'MiB' },
      'Preload level': { value: level },
      Generation: { value: current.worker.generation.name },
    },
  });
  enforceMemoryLimit(current.worker, current.link, memory.private);
}

/** PM2's max_memory_restart would look at RSS, which counts the shared pages in every worker. */
function enforceMemoryLimit({ token }: Worker, link: WorkerLink, privateMemory: number): void {
  link.firstMemory ??= privateMemory;
  if (privateMemory <= memoryLimit) return;
  // A successor of the same size would be replaced at once, and so for ever.
  if (link.firstMemory * LEAST_GROWTH > memoryLimit) {
    if (!limitDoubted) {
      complain(
        `the limit of ${memoryLimit} MiB is too low: a worker starts with ${link.firstMemory.toFixed(0)} MiB of ` +
          'private memory. It is not enforced; plan anew with webui-tune, or name a higher one in the preset',
      );
    }
    limitDoubted = true;
    return;
  }
  const reason = `its private memory is ${privateMemory.toFixed(0)} MiB, its limit ${memoryLimit} MiB`;
  dispatch({ type: 'unfit', token, reason });
}

setInterval(publish, MEMORY_INTERVAL * 1000).unref();

// --- the process --------------------------------------------------------------------------------

// PM2 stops an instance with SIGINT, or with the message where shutdown_with_message is set. When the PM2 daemon
// dies, Node ends this process, and the Python worker sees the end of its control channel.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => dispatch({ type: 'stop' }));
process.on('message', (message) => {
  if (message === 'shutdown') dispatch({ type: 'stop' });
});

preload.connect();

function required(name: string): string {
  const value = process.env[name];
  if (value) return value;
  complain(`${name} is not set: this is started by PM2, from the file that webui-tune writes`);
  process.exit(78);
}

// PM2 writes its log files in the background; to exit at once would lose the reason of the exit.
let unwritten = 0;
let onWritten = () => {};

function write(stream: NodeJS.WriteStream, text: string): void {
  unwritten += 1;
  stream.write(text, () => {
    unwritten -= 1;
    if (unwritten === 0) onWritten();
  });
}

function exitOnceWritten(code: number): void {
  onWritten = () => process.exit(code);
  if (unwritten === 0) onWritten();
  // A full disk must not keep a dead instance.
  setTimeout(onWritten, 1000);
}

function say(message: string): void {
  write(process.stdout, `[supervisor ${instance}] ${message}\n`);
}

function complain(message: string): void {
  write(process.stderr, `[supervisor ${instance}] ${message}\n`);
}
