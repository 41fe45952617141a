/** Reads what decide.ts decides by: the supervisors say what their workers do, and the kernel how busy these are. */

import { readKernelFile } from '../../base/machine/files.ts';
import { readMemoryRoom } from '../../base/machine/memory-room.ts';
import { cpuSecondsOf } from '../../base/machine/usage.ts';
import type { Frame } from '../supervisor/frames.ts';
import { type Answer, askAll } from '../watch/ask.ts';
import { ANSWERS, BUSY, LAG, type Look } from './decide.ts';

/** An instance whose worker serves. */
export interface ServingInstance {
  instance: string;
  /** Of its supervisor. */
  pid: number;
  worker: number;
  generating: number;
  sockets: number;
  lag: number;
}

interface Times {
  /** Seconds for which the thread has run, and for which it could have run and waited. */
  busy: number;
  waited: number;
}

/** Milliseconds for which the load is remembered (decide.ts, SMOOTHING): then a worker may still be added for it. */
const STRAINED_MS = 30_000;

interface LookOptions {
  /** Folder of the control socket. */
  folder: string;
  /** TCP port of the workers. */
  port: number;
  /** Bytes that one worker more takes. */
  workerBytes: number;
}

/** Looks again and again; what is counted over time is the difference to the look before. */
export class Looker {
  readonly #options: LookOptions;
  #before = new Map<number, Times>();
  #at = performance.now();
  /** Until when the workers count as strained. */
  #strainedUntil = 0;

  constructor(options: LookOptions) {
    this.#options = options;
  }

  async look(): Promise<{ look: Omit<Look, 'leaving'>; serving: ServingInstance[] }> {
    const { folder, port, workerBytes } = this.#options;
    const answers = await askAll(folder);
    const now = performance.now();
    const seconds = (now - this.#at) / 1000;
    const serving = answers.flatMap(servingOf);
    const times = new Map(serving.flatMap(({ worker }) => entryOf(worker, timesOf(worker))));
    const share = (pid: number, what: keyof Times) => {
      const [then, since] = [this.#before.get(pid)?.[what], times.get(pid)?.[what]];
      // A worker that is new has no time before.
      return then === undefined || since === undefined
        ? 0
        : Math.min(1, Math.max(0, (since - then) / seconds));
    };
    const workers = serving.map(({ worker, lag, generating }) => ({
      busy: share(worker, 'busy'),
      starved: share(worker, 'waited'),
      lag,
      generating,
    }));
    this.#before = times;
    this.#at = now;
    const unsettled = unsettledOf(answers);
    // The kernel takes some 10 ms for its table of connections. Workers that idle accept all, and need no other.
    const strained = workers.some(
      ({ busy, lag, generating }) => busy >= BUSY.shrink || lag >= LAG.shrink || generating >= ANSWERS.shrink,
    );
    if (strained) this.#strainedUntil = now + STRAINED_MS;
    const isStrained = now < this.#strainedUntil;
    const [first] = serving;
    return {
      serving,
      look: {
        seconds,
        workers,
        waiting: isStrained ? waitingOn(port) : 0,
        hasRoom: !isStrained || !first || hasRoomFor(workerBytes, first.worker),
        ...(unsettled !== undefined && { unsettled }),
      },
    };
  }
}

/** Where it is not known, there is. `pid`: a process of the cluster, whose limits count. */
function hasRoomFor(bytes: number, pid: number): boolean {
  const { available } = readMemoryRoom('/', pid);
  return available === undefined || available >= bytes;
}

function entryOf(pid: number, times: Times | undefined): [number, Times][] {
  return times ? [[pid, times]] : [];
}

/** Of the main thread, which is the event loop's: its times (proc_pid_stat(5)), and what schedstat says it waited for. */
function timesOf(pid: number): Times | undefined {
  const stat = readKernelFile('/', `proc/${pid}/task/${pid}/stat`);
  if (stat === undefined) return undefined;
  // In nanoseconds (kernel documentation, sched-stats). Some kernels do not count it.
  const [, waited = 0] = (readKernelFile('/', `proc/${pid}/schedstat`) ?? '').split(' ').map(Number);
  return { busy: cpuSecondsOf(stat), waited: waited / 1e9 };
}

/** Connections in the queue of the listening sockets (net/ipv4/tcp_ipv4.c, get_tcp4_sock: rx_queue is sk_ack_backlog). */
export function waitingOn(port: number, root = '/'): number {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const tables = ['proc/net/tcp', 'proc/net/tcp6'].map((path) => readKernelFile(root, path) ?? '');
  let waiting = 0;
  for (const line of tables.join('\n').split('\n')) {
    const [, local = '', , state, queues = ''] = line.trim().split(/\s+/);
    if (state === LISTEN && local.endsWith(wanted))
      waiting += Number.parseInt(queues.split(':')[1] ?? '', 16);
  }
  return waiting;
}

/** State of /proc/net/tcp (include/net/tcp_states.h). */
const LISTEN = '0A';

/** The workers in a supervisor's report, as it came. */
function workersOf({ workers }: Frame): Frame[] {
  return Array.isArray(workers) ? (workers as Frame[]) : [];
}

function servingOf({ instance, pid, frame }: Answer): ServingInstance[] {
  if (!frame) return [];
  return workersOf(frame).flatMap((worker) =>
    worker.phase === 'serving'
      ? [
          {
            instance,
            pid,
            worker: count(worker.pid),
            generating: count(worker.generating),
            sockets: count(worker.sockets),
            lag: count(worker.lag),
          },
        ]
      : [],
  );
}

function count(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

/** What changes at this moment, in words; undefined: each instance has one worker, which serves, of the present generation. */
export function unsettledOf(answers: readonly Answer[]): string | undefined {
  if (answers.length === 0) return 'no supervisor runs';
  if (new Set(answers.map(({ instance }) => instance)).size < answers.length) return 'a reload is under way';
  for (const { instance, frame } of answers) {
    if (!frame) return `the supervisor of instance ${instance} does not answer`;
    const { linked } = frame;
    if (typeof linked !== 'string') return 'the preload process starts, or does not run';
    const [worker, ...others] = workersOf(frame);
    if (!worker || others.length > 0) return `instance ${instance} replaces its worker, or waits for one`;
    if (worker.phase !== 'serving' || worker.hangs === true)
      return `the worker of instance ${instance} does not serve`;
    if (worker.generation !== linked) return 'workers of an earlier generation are being replaced';
  }
  return undefined;
}
