/** An imitated cluster for the rule by which workers come and go: what looks at it see, and what becomes of it. */
import {
  changed,
  decide,
  initialScale,
  LOOK_SECONDS,
  type Look,
  type LookedWorker,
  type Range,
  type ScaleCause,
} from '../../src/runtime/scale/decide.ts';

/** What a load makes of so many workers. */
export interface Load {
  /** Event loops that it would keep busy, all together. */
  demand: number;
  answers?: number;
  /** Milliseconds of standstill of every event loop, by the number of workers. */
  lag?: (workers: number) => number;
  waiting?: (workers: number) => number;
  starved?: number;
  hasRoom?: boolean;
  unsettled?: string;
}

export interface Change {
  /** Seconds since the beginning. */
  at: number;
  from: number;
  to: number;
  cause: ScaleCause;
}

/** Share of the time for which an idle worker is busy: 15 ms a second for two (docs/top.md). */
const IDLE = 0.0075;

export function lookAt(load: Load, workers: number): Look {
  const {
    demand,
    answers = 0,
    lag = () => 0,
    waiting = () => 0,
    starved = 0,
    hasRoom = true,
    unsettled,
  } = load;
  const each: LookedWorker = {
    busy: Math.min(1, IDLE + demand / workers),
    starved,
    lag: lag(workers),
    generating: answers / workers,
  };
  return {
    seconds: LOOK_SECONDS,
    workers: Array.from({ length: workers }, () => each),
    waiting: waiting(workers),
    hasRoom,
    leaving: Math.floor(answers / workers),
    ...(unsettled !== undefined && { unsettled }),
  };
}

/** Lets the rule run for so many seconds; `loadAt` says what the load is at each of them. */
export function imitate(
  range: Range,
  seconds: number,
  loadAt: (at: number) => Load,
  onLook: (at: number, workers: number) => void = () => {},
  start = range.least,
): Change[] {
  let state = initialScale;
  let workers = start;
  const changes: Change[] = [];
  for (let at = 0; at < seconds; at += LOOK_SECONDS) {
    const [next, { by, because }] = decide(state, lookAt(loadAt(at), workers), range);
    state = next;
    if (by !== 0 && because) {
      state = changed(state, by, workers);
      changes.push({ at, from: workers, to: workers + by, cause: because.cause });
      workers += by;
    }
    onLook(at, workers);
  }
  return changes;
}
