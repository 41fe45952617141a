/** Whether workers and the preload process give signs of life, and what is done where they do not; pure. */

import {
  type Action,
  find,
  hangs,
  isPreloadSilent,
  type State,
  serving,
  update,
  type Worker,
} from './state.ts';

/** Multiple of hangSeconds after which a worker that hangs is killed even though no successor serves, or the preload process. */
const KILLED_AFTER = 4;

/**
 * Whether a worker that hangs is killed before it has a successor. It serves nobody, and must not keep its place while a
 * successor waits for its turn or does not start. Without a preload process there can be no successor: then it may recover.
 */
function isGivenUp(before: number, silent: number, state: State): boolean {
  return state.link !== undefined && passes(before, silent, KILLED_AFTER * state.hangSeconds);
}

/** Whether a multiple of `every` lies between the two. */
function passes(before: number, after: number, every: number): boolean {
  return every > 0 && Math.floor(after / every) > Math.floor(before / every);
}

/** How a worker is made to leave: it is asked to drain, unless it hangs and so would not hear. */
export function goodbye(state: State, worker: Worker): Action {
  return { type: hangs(worker, state) ? 'kill' : 'drain', token: worker.token };
}

export function onBeat(state: State, token: string): [State, Action[]] {
  const worker = find(state, token);
  if (worker?.phase !== 'serving' || worker.silent === 0) return [state, []];
  const message = `the worker answers again, after ${Math.round(worker.silent)} s`;
  return [
    update(state, token, 'serving', (w) => ({ ...w, silent: 0 })),
    hangs(worker, state) ? [{ type: 'log', message }] : [],
  ];
}

export function onTick(state: State, seconds: number): [State, Action[]] {
  const [next, actions] = onLinkTick(state, seconds);
  const [settled, more] = onWorkerTick(next, seconds);
  return [settled, [...actions, ...more]];
}

export function onLinkBeat(state: State): [State, Action[]] {
  const message = `the preload process answers again, after ${Math.round(state.linkSilent)} s`;
  return [{ ...state, linkSilent: 0 }, isPreloadSilent(state) ? [{ type: 'log', message }] : []];
}

/** Workers serve without the preload process; none can be replaced. */
function onLinkTick(state: State, seconds: number): [State, Action[]] {
  const { link, linkSilent: before, hangSeconds, stopping } = state;
  if (!link || stopping) return [state, []];
  const silent = before + seconds;
  const next = { ...state, linkSilent: silent };
  const told = `the preload process has not answered for ${Math.round(silent)} s`;
  if (passes(before, silent, KILLED_AFTER * hangSeconds)) {
    return [
      next,
      [
        { type: 'complain', message: `${told}: it is killed, so that another is started` },
        { type: 'killPreload' },
      ],
    ];
  }
  if (isPreloadSilent(state) || !isPreloadSilent(next)) return [next, []];
  const message = `${told}. Workers go on serving, but none can be replaced`;
  return [next, [{ type: 'complain', message }]];
}

/** A worker that is stopped in its start-up cannot keep its own limit (preload/webui_preload/worker/boot_limit.py). */
export function onStood(state: State, token: string, seconds: number): [State, Action[]] {
  const worker = find(state, token);
  if (worker?.phase !== 'booting' && worker?.phase !== 'leaving') return [state, []];
  const silent = seconds > 0 ? worker.silent + seconds : 0;
  const next = update(state, token, worker.phase, (w) => ({ ...w, silent }));
  if (!passes(worker.silent, silent, state.hangSeconds)) return [next, []];
  const message = `a worker was stopped (SIGSTOP) for ${Math.round(silent)} s in its start-up: it is killed`;
  return [
    next,
    [
      { type: 'complain', message },
      { type: 'kill', token },
    ],
  ];
}

function onWorkerTick(state: State, seconds: number): [State, Action[]] {
  const worker = serving(state);
  if (!worker || state.stopping) return [state, []];
  const silent = worker.silent + seconds;
  const served = worker.served + seconds;
  const next = update(state, worker.token, 'serving', (w) => ({ ...w, silent, served }));
  if (isGivenUp(worker.silent, silent, next)) {
    const message = `the worker still hangs after ${Math.round(silent)} s, and no successor serves: it is killed`;
    return [
      next,
      [
        { type: 'complain', message },
        { type: 'kill', token: worker.token },
      ],
    ];
  }
  if (hangs(worker, state) || !hangs({ ...worker, silent }, state)) return [next, []];
  const message = `the worker hangs: its event loop has been blocked for ${Math.round(silent)} s; its stack follows`;
  return [
    next,
    [
      { type: 'complain', message },
      { type: 'trace', token: worker.token },
    ],
  ];
}
