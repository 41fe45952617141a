/** Decides when a worker is replaced because of its memory; pure. */

import { leavesRoom } from '../contract.ts';

/** Seconds that a worker must have served before it is replaced: at first, and at most. */
const [FIRST_PATIENCE, LAST_PATIENCE] = [10, 600];

/** Multiple of the limit beyond which a worker is replaced at once: others on the machine need memory, too. */
const NO_PATIENCE = 2;

/** Short lives in a row after which the log says so. */
const SHORT_LIVES = 3;

/** Memory is in MiB, and private: what would be free again without the worker. */
export interface Sight {
  token: string;
  memory: number;
  /** When it had just become ready. */
  firstMemory: number;
  /** Seconds that it has served. */
  served: number;
}

export interface Verdict {
  /** Why it is to be replaced; undefined: it stays. */
  detail?: string;
  /** What an administrator should know, said once. */
  complaint?: string;
}

/** The limit of one instance's workers. */
export class MemoryLimit {
  readonly #limit: number;
  #replaced: string | undefined;
  /** Seconds that the present worker had served when it was first seen beyond the limit. */
  #reached: { token: string; after: number } | undefined;
  /** Workers in a row that reached the limit soon. */
  #shortLives = 0;
  #complained = new Set<string>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * If a worker reaches its limit soon after its start, its successor will too. Each successor is given twice the time, so
   * that answers are not cut off every few seconds.
   */
  judge({ token, memory, firstMemory, served }: Sight): Verdict {
    const limit = this.#limit;
    if (memory <= limit || token === this.#replaced) return {};
    // Each successor would begin at the same size, and be replaced at once.
    if (!leavesRoom(limit, firstMemory)) {
      return this.#once(
        'low',
        `the limit of ${limit} MiB is too low: a worker starts with ${firstMemory.toFixed(0)} MiB of private memory. ` +
          'It is not enforced; plan anew with webui-tune, or name a higher one in the preset',
      );
    }
    if (this.#reached?.token !== token) this.#reached = { token, after: served };
    const { after } = this.#reached;
    const patience = Math.min(FIRST_PATIENCE * 2 ** this.#shortLives, LAST_PATIENCE);
    if (served < patience && memory < limit * NO_PATIENCE) return {};
    this.#replaced = token;
    this.#shortLives = after < LAST_PATIENCE ? this.#shortLives + 1 : 0;
    const detail = `its private memory is ${memory.toFixed(0)} MiB, its limit ${limit} MiB`;
    if (this.#shortLives < SHORT_LIVES) return { detail };
    return {
      detail,
      ...this.#once(
        'short',
        `workers reach their limit of ${limit} MiB soon after their start, the last after ${Math.round(after)} s. They ` +
          'are replaced less often from now on. Name a higher memory.workerLimit in the preset, or find what takes the memory',
      ),
    };
  }

  #once(kind: string, complaint: string): Verdict {
    if (this.#complained.has(kind)) return {};
    this.#complained.add(kind);
    return { complaint };
  }
}
