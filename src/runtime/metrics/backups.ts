import type { Registry } from 'prom-client';
import { isOverdue } from '../backups/due.ts';
import { type BackupState, lastGood } from '../backups/state.ts';
import { makeGauge } from './table.ts';

/** Characters of a reason that a label takes. */
const LONGEST_LABEL = 200;

/** The metrics of the backups that are made by a schedule; without one there are none. */
export class BackupMetrics {
  readonly #overdue;
  readonly #success;
  readonly #bytes;
  readonly #seconds;
  readonly #failure;

  constructor(registry: Registry) {
    this.#overdue = makeGauge(registry, 'backup_overdue');
    this.#success = makeGauge(registry, 'backup_last_success_timestamp_seconds');
    this.#bytes = makeGauge(registry, 'backup_last_success_bytes');
    this.#seconds = makeGauge(registry, 'backup_last_success_duration_seconds');
    this.#failure = makeGauge(registry, 'backup_last_failure_timestamp_seconds');
  }

  update(state: BackupState | undefined): void {
    for (const one of [this.#overdue, this.#success, this.#bytes, this.#seconds]) one.remove();
    this.#failure.reset();
    if (state?.schedule === undefined) return;
    const last = lastGood(state);
    this.#overdue.set(isOverdue(state.schedule, last?.at, new Date()) ? 1 : 0);
    this.#success.set(last ? Date.parse(last.at) / 1000 : 0);
    if (last) {
      this.#bytes.set(last.bytes);
      this.#seconds.set(last.seconds);
    }
    const { failure } = state;
    if (!failure || failure.busy) return;
    const reason = failure.reason.split('\n', 1)[0]?.slice(0, LONGEST_LABEL) ?? '';
    this.#failure.set({ reason }, Date.parse(failure.at) / 1000);
  }
}
