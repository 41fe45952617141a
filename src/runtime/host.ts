/** What the process manager around a supervisor is told: PM2, or systemd. */

import { pm2Host } from './host-pm2.ts';
import { systemdHost } from './host-systemd.ts';
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

/**
 * The one that started us: PM2 left a channel. Its apps may have systemd's variable all the same, from the shell or the
 * container that PM2 was started in. Neither of the two: PM2's, which says nothing where there is no channel.
 */
export function findHost(env: NodeJS.ProcessEnv): Host {
  return env.NOTIFY_SOCKET && !process.send ? systemdHost(env) : pm2Host();
}
