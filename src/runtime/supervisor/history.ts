/** Records that outlive a supervisor: why the workers of its instance were replaced, and how many requests they served. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../whole-file.ts';
import { parseDurations, sumDurations } from './durations.ts';
import { type InstanceRecord, recordName, type WorkerStats } from './report.ts';
import type { Because } from './state.ts';

/** How many restarts are kept; the oldest go first. */
const KEPT = 20;

const WITHOUT_A_WORD: Because = {
  cause: 'supervisor',
  detail: 'its supervisor ended without a word: killed, or the machine went down',
};

/**
 * The record of one instance. Its supervisors do not write at the same time: during a reload the former one writes at its
 * end, long after the new one has noted that its worker serves, and then only about itself.
 */
export class History {
  readonly #path: string;
  readonly #self: string;
  readonly #onFailed: (reason: string) => void;

  /** `self` is the `processName` of this process. */
  constructor(
    folder: string,
    instance: string,
    onFailed: (reason: string) => void,
    self = processName(process.pid),
  ) {
    this.#path = join(folder, recordName(instance));
    this.#onFailed = onFailed;
    this.#self = self ?? String(process.pid);
  }

  /** A new worker serves. `because`: why it replaced another; undefined where this supervisor had no other. */
  serves(worker: number, because: Because | undefined, now = Date.now()): void {
    const before = this.#read();
    const { left, spare, ...record } = before ?? this.#begin(now);
    // One that was spare replaces nobody.
    const reason = before && !spare && (because ?? this.#reasonOf(before));
    const restart = reason && {
      at: now,
      cause: reason.cause,
      detail: reason.detail,
      ...(before.serving && { from: before.serving.worker }),
      to: worker,
      ...(left && { gap: now - left.at }),
    };
    this.#write({
      ...record,
      serving: { worker, supervisor: this.#self },
      ...(restart && {
        restarts: { ...record.restarts, [restart.cause]: (record.restarts[restart.cause] ?? 0) + 1 },
        recent: [...record.recent, restart].slice(-KEPT),
      }),
    });
  }

  /** This supervisor has taken over the worker of the former one. */
  adopted(worker: number): void {
    const record = this.#read() ?? this.#begin(Date.now());
    this.#write({ ...record, serving: { worker, supervisor: this.#self } });
  }

  /** A worker has ended, after it served this. */
  ended({ requests, durations }: Pick<WorkerStats, 'requests' | 'durations'>): void {
    if (requests === 0) return;
    const record = this.#read() ?? this.#begin(Date.now());
    const all = sumDurations([parseDurations(record.durations), durations]);
    this.#write({ ...record, requests: record.requests + requests, ...(all && { durations: all }) });
  }

  /** The worker is lost, or this supervisor ends. `because`: why no worker serves; `failed`: how one failed to start. */
  leaves({ because, failed }: { because?: Because; failed?: string }, now = Date.now()): void {
    const record = this.#read() ?? this.#begin(now);
    // False: another supervisor serves this instance by now.
    const isOurs = record.serving?.supervisor === this.#self;
    if (!failed && !(because && isOurs)) return;
    this.#write({
      ...record,
      ...(because && isOurs && { left: { at: now, ...because } }),
      ...(failed && { failedStarts: record.failedStarts + 1, lastFailure: { at: now, detail: failed } }),
    });
  }

  /** Why there is a new supervisor, from what the former one wrote. */
  #reasonOf({ left, serving }: InstanceRecord): Because | undefined {
    if (left) return left;
    if (!serving) return undefined;
    const isBeside = serving.supervisor === processName(Number.parseInt(serving.supervisor, 10));
    return isBeside ? { cause: 'reload', detail: 'a reload was asked for' } : WITHOUT_A_WORD;
  }

  #begin(since: number): InstanceRecord {
    return { since, requests: 0, restarts: {}, failedStarts: 0, recent: [] };
  }

  /** Undefined where there is no record yet, or it cannot be read. */
  #read(): InstanceRecord | undefined {
    try {
      return { ...this.#begin(Date.now()), ...JSON.parse(readFileSync(this.#path, 'utf8')) };
    } catch {
      return undefined;
    }
  }

  #write(record: InstanceRecord): void {
    try {
      writeWhole(this.#path, record);
    } catch (error) {
      this.#onFailed(error instanceof Error ? error.message : String(error));
    }
  }
}

/** Notes that the load needs the instance no more; its supervisor has ended. Without a record there is nothing to note. */
export function markSpare(folder: string, instance: string): void {
  const path = join(folder, recordName(instance));
  try {
    const { left: _, serving: __, ...record } = JSON.parse(readFileSync(path, 'utf8')) as InstanceRecord;
    writeWhole(path, { ...record, spare: true });
  } catch {
    // Then webui-tune top shows it as stopped, which it is.
  }
}

/** `PID START-TIME`, which no later process shares (proc_pid_stat(5), field 22); undefined where no process has the pid. */
export function processName(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return undefined;
  }
}
