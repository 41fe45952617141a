/**
 * What a supervisor tells whoever watches (`webui-tune top`, the metrics): its workers as they are now, asked on its own
 * socket, and what has become of earlier ones, in a file of its instance that outlives it. Both lie in the folder of the
 * control socket, which only the installation's own user can enter. Times are milliseconds since 1970.
 */

import type { Because, Cause, Worker } from './state.ts';

/** Counts of a worker, which come with each beat of its event loop: once a second. */
export interface WorkerStats {
  /** HTTP requests since its start, those of socket.io's long polls among them. */
  requests: number;
  /** Of these, those under way; without long polls. */
  active: number;
  /** Open WebSockets. */
  sockets: number;
  /** Chat answers being generated. */
  generating: number;
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
  /** Its own. */
  pid: number;
  /** What the workers share with the preload process, in that one's words; empty before it was reached. */
  level: string;
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
  /** Milliseconds in which no worker of the instance served; undefined: one served all the time, or nobody knows. */
  gap?: number;
}

/** What the file of an instance holds. */
export interface InstanceRecord {
  /** When the counting began. */
  since: number;
  /** The worker that serves, and the process that supervises it: pid and start time. */
  serving?: { worker: number; supervisor: string };
  /** Why no worker serves. */
  left?: Because & { at: number };
  /** HTTP requests of workers that have ended. */
  requests: number;
  /** Workers that served in another's place. */
  restarts: Partial<Record<Cause, number>>;
  /** Workers that ended before they served, and how the last of them did. */
  failedStarts: number;
  lastFailure?: { at: number; detail: string };
  /** The last ones, the newest last. */
  recent: Restart[];
}

const PREFIX = 'instance-';

/** Name of the file of an instance, in the folder of the control socket. */
export function recordName(instance: string): string {
  return `${PREFIX}${instance}.json`;
}

/** The instance that a file of that name is of; undefined: it is none. */
export function instanceOfRecord(name: string): string | undefined {
  return name.startsWith(PREFIX) && name.endsWith('.json') ? name.slice(PREFIX.length, -5) : undefined;
}

/** Name of the socket of a supervisor there, and what it says. */
export function socketName(instance: string, pid: number): string {
  return `i${instance}-${pid}`;
}

export function parseSocketName(name: string): { instance: string; pid: number } | undefined {
  const [, instance, pid] = /^i(.+)-(\d+)$/.exec(name) ?? [];
  return instance === undefined ? undefined : { instance, pid: Number(pid) };
}
