/** What an instance keeps over the end of its supervisor: why its workers were replaced, and how much they did. */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type InstanceRecord, recordName } from './report.ts';
import type { Because } from './state.ts';

/** How many of the last restarts are kept. */
const KEPT = 20;

const WITHOUT_A_WORD: Because = {
  cause: 'supervisor',
  detail: 'its supervisor ended without a word: killed, or the machine went down',
};

/**
 * Only one supervisor of an instance writes at a time: during a reload the former one does so at its end, long after the
 * new one has noted that its worker serves, and what it says then is about itself alone.
 */
export class History {
  readonly #path: string;
  readonly #self: string;
  readonly #onFailed: (reason: string) => void;

  /** `self` names this process for good, by `processName`. */
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

  /** A new worker serves. `because`: why in another's place; undefined: this supervisor does not know of another. */
  serves(worker: number, because: Because | undefined, now = Date.now()): void {
    const before = this.#read();
    const { left, ...record } = before ?? this.#begin(now);
    const reason = before && (because ?? this.#reasonOf(before));
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

  /** The worker of the former supervisor is ours now. */
  adopted(worker: number): void {
    const record = this.#read() ?? this.#begin(Date.now());
    this.#write({ ...record, serving: { worker, supervisor: this.#self } });
  }

  /** A worker has ended after so many requests. */
  ended(requests: number): void {
    const record = this.#read() ?? this.#begin(Date.now());
    if (requests > 0) this.#write({ ...record, requests: record.requests + requests });
  }

  /** The worker is lost, or this supervisor ends: why nobody serves then, and how a worker did not start. */
  leaves({ because, failed }: { because?: Because; failed?: string }, now = Date.now()): void {
    const record = this.#read() ?? this.#begin(now);
    // Another one has taken its place.
    const isOurs = record.serving?.supervisor === this.#self;
    if (!failed && !(because && isOurs)) return;
    this.#write({
      ...record,
      ...(because && isOurs && { left: { at: now, ...because } }),
      ...(failed && { failedStarts: record.failedStarts + 1, lastFailure: { at: now, detail: failed } }),
    });
  }

  /** Why there is a new supervisor, by what the former one has left. */
  #reasonOf({ left, serving }: InstanceRecord): Because | undefined {
    if (left) return left;
    if (!serving) return undefined;
    const isBeside = serving.supervisor === processName(Number.parseInt(serving.supervisor, 10));
    return isBeside ? { cause: 'reload', detail: 'a reload was asked for' } : WITHOUT_A_WORD;
  }

  #begin(since: number): InstanceRecord {
    return { since, requests: 0, restarts: {}, failedStarts: 0, recent: [] };
  }

  /** Undefined: there is none yet, or it is of no use. */
  #read(): InstanceRecord | undefined {
    try {
      return { ...this.#begin(Date.now()), ...JSON.parse(readFileSync(this.#path, 'utf8')) };
    } catch {
      return undefined;
    }
  }

  #write(record: InstanceRecord): void {
    const temporary = `${this.#path}.${process.pid}.tmp`;
    try {
      writeFileSync(temporary, JSON.stringify(record), { mode: 0o600 });
      renameSync(temporary, this.#path);
    } catch (error) {
      this.#onFailed(error instanceof Error ? error.message : String(error));
    }
  }
}

/** `PID START`, which no later process has too; undefined where there is no such process. proc_pid_stat(5), field 22. */
export function processName(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return undefined;
  }
}
