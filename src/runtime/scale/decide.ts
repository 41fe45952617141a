/**
 * How many workers there are to be: what one look at all of them changes about it. Pure, so that it can be tried on days of
 * load in seconds (bench/days.ts).
 *
 * - A worker is added when the others are busy, and taken away when the others would not be busy without it. What makes a
 *   worker busy adds up over all of them, whatever their number is, and the second threshold is lower than the first. So
 *   no steady load is too much for a number, and too little for one more.
 * - Standstills and waiting connections do not add up: with one worker more they may go, and return with one fewer. Each
 *   time that a worker was missed soon after it was taken away, the next one is kept twice as long (`patience`).
 * - One worker at a time, and none while anything else changes.
 */

/** Why the number of workers changed. People and metrics see these names: they never change. */
export const SCALE_CAUSES = [
  /** The event loops compute most of the time. */
  'busy',
  /** Each worker generates many answers. */
  'answers',
  /** Every event loop stands still again and again, and not for want of a processor. */
  'lag',
  /** Connections wait to be accepted. */
  'waiting',
  /** The others are enough. */
  'calm',
  /** There were fewer than the least, or more than the most. */
  'range',
] as const;
export type ScaleCause = (typeof SCALE_CAUSES)[number];

/** Seconds between two looks. */
export const LOOK_SECONDS = 2;

/** Share of the time for which an event loop computes at which a worker is added, and below which the others are enough. */
export const BUSY = { grow: 0.5, shrink: 0.3 } as const;

/**
 * The same of answers that a worker generates at a time. At 50 tokens a second each, 20 answers take some 16 % of a core
 * (docs/speed.md): they count because a worker that dies takes them along.
 */
export const ANSWERS = { grow: 20, shrink: 12 } as const;

/** Milliseconds of standstill at which every worker is busy, and below which they are calm: people notice from 150 on. */
export const LAG = { grow: 250, shrink: 150 } as const;

/** Seconds over which the load is smoothed: one page that loads is no load. */
const SMOOTHING = 10;

/** Seconds for which the workers must be busy. */
const PRESSED = 4;

/** The same of standstills. Each is told for 15 s (worker/loop_lag.py): only several last longer. */
const LAGGING = 20;

/** Share of the time for which event loops wait for a processor at which another worker would wait too. */
const STARVED = 0.1;

/** Seconds between two changes, and after anything else has changed: a new worker must first take its part. */
const SETTLE = 6;

/** Seconds for which the others must be enough before a worker is taken away. */
export const PATIENCE = { least: 120, most: 1920 } as const;

/** One worker that serves, since the last look. */
export interface LookedWorker {
  /** Share of the time for which its event loop has computed. */
  busy: number;
  /** Share of the time for which it could have computed, and waited for a processor. */
  starved: number;
  /** Milliseconds: the longest standstill of its event loop in the last 15 s. */
  lag: number;
  /** Chat answers in generation. */
  generating: number;
}

export interface Look {
  /** Since the last one. */
  seconds: number;
  workers: readonly LookedWorker[];
  /** Connections that nobody has accepted yet. */
  waiting: number;
  /** Whether there is memory for one worker more. */
  hasRoom: boolean;
  /** Answers that the worker generates which would be taken away. */
  leaving: number;
  /** What else changes: no worker comes or goes meanwhile. */
  unsettled?: string;
}

export interface Range {
  least: number;
  most: number;
}

export interface ScaleState {
  /** Event loops that the load keeps busy, and answers in generation, of all workers together; smoothed. */
  busy: number;
  answers: number;
  /** Seconds for which the workers have been busy, connections have waited, event loops have stood still. */
  pressed: number;
  waiting: number;
  lagging: number;
  /** Seconds for which the others would have been enough. */
  calm: number;
  /** Seconds since the last change, of whatever. */
  settled: number;
  /** Seconds of calm after which a worker is taken away. */
  patience: number;
  /** The last worker that was taken away: to how many, and how many seconds ago. */
  taken: { to: number; ago: number } | undefined;
}

export const initialScale: ScaleState = {
  busy: 0,
  answers: 0,
  pressed: 0,
  waiting: 0,
  lagging: 0,
  calm: 0,
  settled: 0,
  patience: PATIENCE.least,
  taken: undefined,
};

export interface Because {
  cause: ScaleCause;
  /** The same in words. */
  detail: string;
}

/** `by`: one worker more, one fewer, or none. */
export interface Decision {
  by: 1 | -1 | 0;
  /** For a change. */
  because?: Because;
  /** Why there is no change though the load asks for one; without figures, which would make each look news. */
  holding?: string;
}

/** The next state, and what to do. Where it is done, `changed` is the state after it. */
export function decide(before: ScaleState, look: Look, range: Range): [ScaleState, Decision] {
  const count = look.workers.length;
  if (count === 0 || look.unsettled !== undefined) {
    const holding = look.unsettled ?? 'no worker serves';
    return [
      { ...smoothed(before, look), ...NOTHING_COUNTED },
      { by: 0, holding },
    ];
  }
  const state = counted(smoothed(before, look), look);
  if (state.settled < SETTLE) return [state, { by: 0 }];
  if (count < range.least) {
    return [state, { by: 1, because: { cause: 'range', detail: `fewer than ${range.least} run` } }];
  }
  if (count > range.most) {
    return [state, { by: -1, because: { cause: 'range', detail: `more than ${range.most} run` } }];
  }
  const because = reasonToGrow(state, look);
  if (because) return [state, grow(because, look, range)];
  return [state, shrink(state, look, range)];
}

/** The state once the number of workers has changed `by` one. */
export function changed(state: ScaleState, by: 1 | -1, count: number): ScaleState {
  const next = { ...state, ...NOTHING_COUNTED };
  if (by < 0) return { ...next, taken: { to: count - 1, ago: 0 } };
  const { taken, patience } = state;
  // It was taken away too early.
  const isMissed = taken !== undefined && count <= taken.to && taken.ago <= 2 * patience;
  return isMissed ? { ...next, patience: Math.min(2 * patience, PATIENCE.most), taken: undefined } : next;
}

const NOTHING_COUNTED = { pressed: 0, waiting: 0, lagging: 0, calm: 0, settled: 0 } as const;

function smoothed(state: ScaleState, { seconds, workers }: Look): ScaleState {
  const weight = 1 - Math.exp(-seconds / SMOOTHING);
  const towards = (value: number, now: number) => value + weight * (now - value);
  const { taken, patience } = state;
  const ago = (taken?.ago ?? 0) + seconds;
  return {
    ...state,
    busy: towards(state.busy, sum(workers.map(({ busy }) => busy))),
    answers: towards(state.answers, sum(workers.map(({ generating }) => generating))),
    // Nobody has missed it for long.
    patience: taken !== undefined && ago > 4 * patience ? PATIENCE.least : patience,
    taken: taken && { ...taken, ago },
  };
}

function counted(state: ScaleState, { seconds, workers, waiting }: Look): ScaleState {
  const count = workers.length;
  const isStarved = sum(workers.map(({ starved }) => starved)) / count > STARVED;
  const lags = workers.map(({ lag }) => lag);
  const isPressed = state.busy > count * BUSY.grow || state.answers > count * ANSWERS.grow;
  const isCalm =
    state.busy < (count - 1) * BUSY.shrink &&
    state.answers < (count - 1) * ANSWERS.shrink &&
    waiting === 0 &&
    (isStarved || Math.min(...lags) < LAG.shrink);
  const during = (isSo: boolean, before: number) => (isSo ? before + seconds : 0);
  return {
    ...state,
    pressed: during(isPressed, state.pressed),
    waiting: during(!isStarved && waiting >= count, state.waiting),
    lagging: during(!isStarved && Math.min(...lags) >= LAG.grow, state.lagging),
    calm: during(isCalm, state.calm),
    settled: state.settled + seconds,
  };
}

function reasonToGrow(state: ScaleState, { workers }: Look): Because | undefined {
  const count = workers.length;
  const busy = state.busy / count;
  if (state.pressed >= PRESSED) {
    if (busy > BUSY.grow)
      return { cause: 'busy', detail: `event loops are busy ${percent(busy)} of the time` };
    const answers = (state.answers / count).toFixed(0);
    return { cause: 'answers', detail: `${answers} answers in generation for each worker` };
  }
  if (state.waiting >= PRESSED) return { cause: 'waiting', detail: 'connections wait to be accepted' };
  if (state.lagging < LAGGING) return undefined;
  const least = Math.min(...workers.map(({ lag }) => lag));
  return {
    cause: 'lag',
    detail: `every event loop stands still for ${Math.round(least)} ms at a time, or longer`,
  };
}

function grow(because: Because, look: Look, { most }: Range): Decision {
  if (look.workers.length >= most) return { by: 0 };
  if (!look.hasRoom) return { by: 0, holding: 'one more is wanted, and its memory is not free' };
  return { by: 1, because };
}

function shrink(state: ScaleState, look: Look, { least }: Range): Decision {
  const count = look.workers.length;
  if (count <= least || state.calm < state.patience) return { by: 0 };
  // `pm2 reload` ends with an error where a worker drains (docs/planning.md): one without answers is gone within seconds.
  if (look.leaving > 0 && state.calm < 2 * state.patience) {
    return { by: 0, holding: 'one fewer is enough, and each generates answers' };
  }
  const busy = percent(state.busy / (count - 1));
  return { by: -1, because: { cause: 'calm', detail: `the others are busy ${busy} of the time without it` } };
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
