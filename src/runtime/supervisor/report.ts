/**
 * What `webui-tune top` and the metrics learn from a supervisor. Its socket answers how its workers are now; a file of its
 * instance, which outlives it, says what became of earlier workers. Both are in the run folder, which only the user of the
 * installation can enter. Times are milliseconds since 1970.
 */

import type { Durations } from './durations.ts';
import type { Because, Cause, Worker } from './state.ts';

/** Counts of a worker. They come with each beat of its event loop, once a second. */
export interface WorkerStats {
  /** HTTP requests since its start, including socket.io's long polls. */
  requests: number;
  /** HTTP requests under way, without long polls. */
  active: number;
  /** Open WebSockets. */
  sockets: number;
  /** Chat answers being generated. */
  generating: number;
  /** Milliseconds: the longest that its event loop has stood still in the last 15 s. */
  lag?: number;
  /** Tokens of chats that it has streamed since its start; undefined where it does not count them. */
  tokens?: number;
  /** Since its start; undefined for a worker of an earlier version of ours. */
  durations?: Durations;
}

export interface ReportedWorker extends Partial<WorkerStats> {
  /** Undefined until it is forked. */
  pid?: number;
  phase: Worker['phase'];
  hangs: boolean;
  generation: string;
  /** Open WebUI's version. */
  version: string;
  /** When the counts are from. */
  heardAt?: number;
}

export interface SupervisorReport {
  /** Of the supervisor. */
  pid: number;
  /** Level that the preload process named; empty before it was reached. */
  level: string;
  /** The generation of the preload process that it is connected to; undefined: of none. */
  linked?: string;
  /** MiB of private memory at which a worker is replaced; undefined: none. */
  memoryLimit?: number;
  workers: ReportedWorker[];
}

export interface Restart extends Because {
  /** When the new worker served. */
  at: number;
  /** Process ids; `from` is undefined where it is not known. */
  from?: number;
  to: number;
  /** Milliseconds in which no worker of the instance served; undefined where one always did, or it is not known. */
  gap?: number;
}

/** What the file of an instance holds. */
export interface InstanceRecord {
  /** When the counting began. */
  since: number;
  /** The worker that serves, and its supervisor's pid and start time (history.ts, processName). */
  serving?: { worker: number; supervisor: string };
  /** Why no worker serves. */
  left?: Because & { at: number };
  /** The load needed it no more, and its worker and supervisor were taken away (scale/main.ts). Until it serves again. */
  spare?: boolean;
  /** HTTP requests that workers served which have ended. */
  requests: number;
  /** Durations that such workers counted; absent: none did. */
  durations?: Durations;
  /** Workers that replaced another, by the reason. */
  restarts: Partial<Record<Cause, number>>;
  /** Workers that ended before they served, and how the last of them ended. */
  failedStarts: number;
  lastFailure?: { at: number; detail: string };
  /** The newest is last. */
  recent: Restart[];
}

const PREFIX = 'instance-';

/** Name of the file of an instance, in the folder of the control socket. */
export function recordName(instance: string): string {
  return `${PREFIX}${instance}.json`;
}

/** The instance whose record has that name; undefined where it is no record. */
export function instanceOfRecord(name: string): string | undefined {
  return name.startsWith(PREFIX) && name.endsWith('.json') ? name.slice(PREFIX.length, -5) : undefined;
}

/** Name of the socket of a supervisor, in the same folder. */
export function socketName(instance: string, pid: number): string {
  return `i${instance}-${pid}`;
}

export function parseSocketName(name: string): { instance: string; pid: number } | undefined {
  const [, instance, pid] = /^i(.+)-(\d+)$/.exec(name) ?? [];
  return instance === undefined ? undefined : { instance, pid: Number(pid) };
}
