import type { WorkerStats } from './report.ts';

/** Figures on the worker that serves, for people. */
export interface Shown {
  pid: number;
  /** MiB. */
  privateMemory: number;
  sharedMemory: number;
  level: string;
  generation: string;
  stats: WorkerStats | undefined;
  /** What tells one process from all others with its pid; empty where it did not say. */
  identity: string;
  /** Why its log is not written, and what is lost of it; undefined where it is written. */
  lostLog: string | undefined;
}

export interface Host {
  /** A worker of ours serves: the start is over. */
  ready(): void;
  /** Which process is the worker. */
  showPid(pid: number | undefined): void;
  show(figures: Shown): void;
  /** Open the log files anew: a stream that could not write, for want of space, is given up by Node. */
  reopenLogs(): void;
  /** The event loop turns: called every second. */
  alive(): void;
  /** We are about to leave. `kept` is why the former worker stays, in the hands of the next supervisor. */
  stopping(kept: string | undefined): void;
  /** Beside SIGINT and SIGTERM, which mean a stop everywhere. */
  listen(asked: { stop(): void; reload(): void }): void;
}
