import type { WorkerStats } from './report.ts';

/** What people are shown of the worker that serves. */
export interface Shown {
  pid: number;
  /** MiB. */
  privateMemory: number;
  sharedMemory: number;
  level: string;
  generation: string;
  stats: WorkerStats | undefined;
  /** Digests of the ids that no other worker may have; empty where the worker did not say. */
  identity: string;
  /** Seconds for which the preload process has not answered; undefined while it does, or does not run. */
  silentPreload: number | undefined;
  /** Why the log is not written, and how much of it is lost; undefined while it is written. */
  lostLog: string | undefined;
}

export interface Host {
  /** Exit code of a stop that was asked for before `ready`. */
  readonly stoppedEarly: number;
  /** The start is over: a worker of ours serves. */
  ready(): void;
  /** Which process is the worker. */
  showPid(pid: number | undefined): void;
  show(figures: Shown): void;
  /** Open the log files anew: Node gives a stream up that could not write, for instance because the disk was full. */
  reopenLogs(): void;
  /** The event loop turns: called every second. */
  alive(): void;
  /** We are about to leave. `kept`: why the next supervisor has kept our worker. */
  stopping(kept: string | undefined): void;
  /** Listen for the manager's own ways to ask; SIGINT and SIGTERM always mean a stop. */
  listen(asked: { stop(): void; reload(): void }): void;
}
