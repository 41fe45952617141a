/**
 * A cluster at one moment. Supervisors say what their workers do, and the kernel says what processes use. No worker is asked:
 * so a worker that hangs keeps nobody waiting, and a busy one is not disturbed.
 */

import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { namesIn } from '../../base/io/read.ts';
import { readKernelFile } from '../../base/machine/files.ts';
import { type MemoryRoom, readMemoryRoom } from '../../base/machine/memory-room.ts';
import { childrenOf, processesWith } from '../../base/machine/processes.ts';
import { type ProcessUsage, readTimes, readUsage } from '../../base/machine/usage.ts';
import { MIB } from '../../base/units.ts';
import { DOCUMENT_PROCESS, RUN_FOLDER } from '../contract.ts';
import { readInForce, type ScaleTold } from '../scale/told.ts';
import { type Durations, sumDurations } from '../supervisor/durations.ts';
import type { InstanceRecord, ReportedWorker, WorkerStats } from '../supervisor/report.ts';
import type { Because } from '../supervisor/state.ts';
import { askSupervisors, readRecords, type Supervisor } from './supervisors.ts';

export const WORKER_STATES = [
  /** It accepts connections. */
  'serving',
  /** Its event loop stands still; a successor is on its way. */
  'hanging',
  'starting',
  /** It finishes its answers, then leaves. */
  'draining',
  /** Its supervisor has no worker, and waits for the preload process. */
  'waiting',
  /** Neither worker nor supervisor lives; the process manager starts them again, or has given up. */
  'down',
  /** It runs, but what it does is not known: its supervisor does not answer, or it is one of uvicorn's workers. */
  'running',
] as const;
export type WorkerState = (typeof WORKER_STATES)[number];

export interface WorkerSample {
  /** Its number in PM2 or systemd; for one of uvicorn's workers, the number of its static folder. */
  instance: string;
  state: WorkerState;
  usage?: ProcessUsage;
  generation?: string;
  /** `heardAt`: when the counts were sent. */
  stats?: WorkerStats & { heardAt: number };
}

export interface InstanceSample {
  instance: string;
  /** HTTP requests, including those of workers that have ended. */
  requests: number;
  /** The same of durations; undefined where no worker has told any. */
  durations?: Durations;
  record?: InstanceRecord;
  /** Bytes of private memory at which its worker is replaced. */
  memoryLimit?: number;
  /** Why no worker serves. */
  down?: Because & { at?: number };
}

/** Documents that are processed beside the workers, those of workers that have ended included. */
export interface DocumentsSample {
  /** The processes that work on one each. */
  processes: readonly ProcessUsage[];
  /** How many wait for their turn. */
  waiting: number;
}

export interface Sample {
  /** Milliseconds since 1970. */
  at: number;
  controlSocket: string;
  runtime: 'preload' | 'uvicorn';
  /** What the workers share with the preload process. */
  level?: string;
  /** Generations of the workers that serve. */
  generations: readonly string[];
  /** Version of Open WebUI. */
  version?: string;
  /** The preload process, or the parent of uvicorn's workers. */
  parent?: ProcessUsage;
  /** And the process that adds workers and takes them away. */
  supervisors: readonly ProcessUsage[];
  /** Around the parent; nothing of it is known without one. */
  room: MemoryRoom;
  /** Undefined where no process beside the workers processes documents. */
  documents?: DocumentsSample;
  workers: readonly WorkerSample[];
  instances: readonly InstanceSample[];
  /** The range of workers, and how their number changed; undefined: it is fixed. */
  scale?: ScaleTold;
}

export async function takeSample(controlSocket: string): Promise<Sample> {
  // Read before the supervisors are asked: a worker that ends in between is missing for a moment, and not counted twice.
  const records = readRecords(controlSocket);
  const supervisors = await askSupervisors(controlSocket);
  const parent = readPreload(controlSocket);
  if (supervisors.length === 0 && !parent) {
    const server = processesWith('/', controlSocket).find(({ command }) =>
      command.some((word) => SERVE.test(word)),
    );
    if (server) return sampleUvicorn(controlSocket, server.pid);
  }
  const used = supervisors.flatMap(({ pid }) => readUsage('/', pid) ?? []);
  const beginning = Math.min(...[...used, ...(parent ? [parent] : [])].map(({ startedAt }) => startedAt));
  const workers = supervisors.flatMap((supervisor) =>
    workersOf(supervisor, records.get(supervisor.instance)?.record),
  );
  const missing = [...records].flatMap(([instance, { record, at }]) => {
    const isThere = supervisors.some((supervisor) => supervisor.instance === instance);
    // An instance that was stopped, or that is spare, or ended before all that runs now began, is not missing.
    const isMeant = record.left?.cause === 'restart' || record.spare === true;
    return isThere || isMeant || at < beginning ? [] : [instance];
  });
  // What a spare one has counted stays.
  const spare = [...records].flatMap(([instance, { record }]) => (record.spare ? [instance] : []));
  const known = [...new Set([...supervisors.map(({ instance }) => instance), ...missing, ...spare])];
  const scale = readInForce(dirname(controlSocket));
  const controller = scale && readUsage('/', Number.parseInt(scale.decider, 10));
  const reported = supervisors.flatMap(({ report }) => report?.workers ?? []);
  const serving = reported.filter(({ phase }) => phase === 'serving');
  const level = supervisors.find(({ report }) => report?.level)?.report?.level;
  const [version] = (serving.length > 0 ? serving : reported).map((worker) => worker.version);
  return {
    at: Date.now(),
    controlSocket,
    runtime: 'preload',
    ...(level !== undefined && { level }),
    ...(version !== undefined && { version }),
    generations: [...new Set(serving.map(({ generation }) => generation))],
    ...(parent && { parent, documents: readDocuments(controlSocket, parent.pid) }),
    supervisors: [...used, ...(controller ? [controller] : [])],
    room: parent ? readMemoryRoom('/', parent.pid) : {},
    workers: [...workers, ...missing.map((instance): WorkerSample => ({ instance, state: 'down' }))].sort(
      byInstance,
    ),
    ...(scale && { scale }),
    instances: known
      .map((instance) => instanceSample(instance, supervisors, records.get(instance)?.record))
      .sort(byInstance),
  };
}

function workersOf({ instance, report }: Supervisor, record: InstanceRecord | undefined): WorkerSample[] {
  if (!report) {
    const usage = record?.serving && readUsage('/', record.serving.worker);
    return [{ instance, state: 'running', ...(usage && { usage }) }];
  }
  if (report.workers.length === 0) return [{ instance, state: 'waiting' }];
  return report.workers.map((worker) => {
    const usage = worker.pid === undefined ? undefined : readUsage('/', worker.pid);
    const { heardAt, requests, active = 0, sockets = 0, generating = 0, lag, tokens } = worker;
    const stats =
      heardAt !== undefined && requests !== undefined
        ? {
            heardAt,
            requests,
            active,
            sockets,
            generating,
            ...(lag !== undefined && { lag }),
            ...(tokens !== undefined && { tokens }),
          }
        : undefined;
    return {
      instance,
      state: stateOf(worker),
      ...(usage && { usage }),
      generation: worker.generation,
      ...(stats && { stats }),
    };
  });
}

function stateOf({ phase, hangs }: ReportedWorker): WorkerState {
  if (phase === 'serving') return hangs ? 'hanging' : 'serving';
  return phase === 'draining' || phase === 'leaving' ? 'draining' : 'starting';
}

function instanceSample(
  instance: string,
  supervisors: readonly Supervisor[],
  record: InstanceRecord | undefined,
): InstanceSample {
  const reports = supervisors.flatMap((supervisor) =>
    supervisor.instance === instance && supervisor.report ? [supervisor.report] : [],
  );
  const living = reports.flatMap(({ workers }) => workers);
  const durations = sumDurations([record?.durations, ...living.map((worker) => worker.durations)]);
  const limit = reports.find(({ memoryLimit }) => memoryLimit !== undefined)?.memoryLimit;
  const serves = reports.some(({ workers }) => workers.some(({ phase }) => phase === 'serving'));
  const down = serves ? undefined : downOf(record, reports.length > 0);
  return {
    instance,
    requests: living.reduce((sum, { requests = 0 }) => sum + requests, record?.requests ?? 0),
    ...(durations && { durations }),
    ...(record && { record }),
    ...(limit !== undefined && { memoryLimit: limit * MIB }),
    ...(down && { down }),
  };
}

function downOf(record: InstanceRecord | undefined, hasSupervisor: boolean): InstanceSample['down'] {
  if (record?.left) return record.left;
  if (hasSupervisor || !record || record.spare) return undefined;
  return { cause: 'supervisor', detail: 'its supervisor ended without a word' };
}

/** The preload process; its pid is in its lock (preload/webui_preload/generation.py, lock_installation). */
function readPreload(controlSocket: string): ProcessUsage | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(dirname(controlSocket), RUN_FOLDER.lock), 'utf8'), 10);
    const isOurs = (readKernelFile('/', `proc/${pid}/cmdline`) ?? '').includes('preload.py');
    return isOurs ? readUsage('/', pid) : undefined;
  } catch {
    return undefined;
  }
}

/** Their processes are children of the preload process; each document has a file until its end (documents/jobs.py). */
export function readDocuments(controlSocket: string, preload: number): DocumentsSample {
  const jobs = namesIn(join(dirname(controlSocket), RUN_FOLDER.documents)).filter((name) =>
    name.endsWith('.job'),
  );
  const processes = childrenOf('/', preload).flatMap((pid) => {
    const isHelper = readKernelFile('/', `proc/${pid}/comm`)?.trim() === DOCUMENT_PROCESS;
    return (isHelper && readUsage('/', pid)) || [];
  });
  return { processes, waiting: Math.max(0, jobs.length - processes.length) };
}

// --- uvicorn's own workers ----------------------------------------------------------------------

/** Python's multiprocessing starts each worker with this word (multiprocessing/spawn.py). */
const SPAWNED = '--multiprocessing-fork';

/** Entry point of their parent. */
const SERVE = /\/serve\.py$/;

function sampleUvicorn(controlSocket: string, server: number): Sample {
  const spawned = processesWith('/', controlSocket)
    .filter(({ pid, command }) => command.includes(SPAWNED) && readTimes('/', pid)?.ppid === server)
    .map(({ pid }) => pid);
  // One worker is the server itself.
  const pids = spawned.length > 0 ? spawned : [server];
  const workers = pids.flatMap((pid): WorkerSample[] => {
    const usage = readUsage('/', pid);
    return usage
      ? [{ instance: staticFolderOf(pid) ?? String(pids.indexOf(pid)), state: 'running', usage }]
      : [];
  });
  const parent = spawned.length > 0 ? readUsage('/', server) : undefined;
  return {
    at: Date.now(),
    controlSocket,
    runtime: 'uvicorn',
    generations: [],
    ...(parent && { parent }),
    supervisors: [],
    room: readMemoryRoom('/', server),
    workers: workers.sort(byInstance),
    instances: [],
  };
}

/** The number of its static folder, which its successor takes over (preload/webui_preload/uvicorn_workers.py). */
function staticFolderOf(pid: number): string | undefined {
  try {
    const entry = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .find((variable) => variable.startsWith('STATIC_DIR='));
    const name = basename(entry ?? '');
    return /^\d+$/.test(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

/** By instance; of two workers of one instance, the older one first. */
function byInstance(
  a: { instance: string; usage?: ProcessUsage },
  b: { instance: string; usage?: ProcessUsage },
): number {
  return (
    a.instance.localeCompare(b.instance, 'en', { numeric: true }) ||
    (a.usage?.startedAt ?? Number.POSITIVE_INFINITY) - (b.usage?.startedAt ?? Number.POSITIVE_INFINITY)
  );
}
