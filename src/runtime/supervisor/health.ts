/** Whether a worker's event loop turns, and what becomes of one whose does not; pure. */

import { type Action, find, hangs, type State, serving, update, type Worker } from './state.ts';

/** What a worker hears that is to leave; one that hangs hears nothing. */
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
  const worker = serving(state);
  if (!worker || state.stopping) return [state, []];
  const silent = worker.silent + seconds;
  const served = worker.served + seconds;
  const next = update(state, worker.token, 'serving', (w) => ({ ...w, silent, served }));
  if (hangs(worker, state) || !hangs({ ...worker, silent }, state)) return [next, []];
  const message = `the worker hangs: its event loop has not turned for ${Math.round(silent)} s; where, it says below`;
  return [
    next,
    [
      { type: 'complain', message },
      { type: 'trace', token: worker.token },
    ],
  ];
}
