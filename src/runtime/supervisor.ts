/**
 * The decisions of a cluster worker, as a pure function: one PM2 instance keeps one Python worker serving.
 *
 * A worker that is to be replaced (new generation, memory limit) leaves only after its successor serves, except
 * where the successor is another version of Open WebUI: two versions never serve one database. A worker that
 * ends by itself ends its supervisor too, so that restarts, their count and their back-off are PM2's.
 */

/** A start of the preload process. */
export interface Generation {
  name: string;
  /** Open WebUI's version. */
  version: string;
}

export interface Worker {
  token: string;
  generation: Generation;
  /**
   * `requested`: the preload process has been asked; `booting`: forked; `serving`: it accepts connections;
   * `draining`: it finishes what it has; `leaving`: told to end before it served.
   */
  phase: 'requested' | 'booting' | 'serving' | 'draining' | 'leaving';
  /** The worker whose place it took or will take. */
  replaces?: string;
  /** Why it is to be replaced though its generation is the current one. */
  unfit?: string;
}

export interface State {
  /** The generation that the preload process said it is; undefined while there is no connection to one. */
  link: Generation | undefined;
  workers: readonly Worker[];
  /** PM2 has been told that this instance is ready. */
  announced: boolean;
  stopping: boolean;
  /** An attempt failed: none before the `retry` event or a new generation. */
  resting: boolean;
  /** The exit of this process has been decided. */
  ended: boolean;
  /** How many workers have been asked for: makes their tokens. */
  asked: number;
}

/** How a process ended; both undefined where nobody could say. */
export interface Ending {
  code?: number;
  signal?: string;
}

export type Event =
  | { type: 'linked'; generation: Generation }
  | { type: 'unlinked' }
  | { type: 'forked'; token: string }
  | { type: 'ready'; token: string }
  | { type: 'exited'; token: string; ending: Ending }
  | { type: 'unfit'; token: string; reason: string }
  | { type: 'retry' }
  | { type: 'stop' };

export type Action =
  | { type: 'fork'; token: string; replaces: boolean }
  /** Withdraw a request that has not been answered. */
  | { type: 'cancel'; token: string }
  /** Let the worker finish what it has, then leave. */
  | { type: 'drain'; token: string }
  /** End a worker that does not serve yet. */
  | { type: 'terminate'; token: string }
  /** Tell PM2 that this instance serves. */
  | { type: 'announce' }
  /** Tell the preload process that the worker serves. */
  | { type: 'tellReady'; token: string }
  /** Tell the preload process that the worker whose place this one took is gone. */
  | { type: 'tellReplaced'; token: string }
  /** Send `retry` after so many seconds. */
  | { type: 'rest'; seconds: number }
  | { type: 'log'; message: string }
  | { type: 'complain'; message: string }
  | { type: 'exit'; code: number };

/** Seconds between two attempts to replace a worker, where the first successor did not start. */
const RETRY_SECONDS = 15;

/** Seconds before a request that the preload process dropped is made again. */
const REQUEST_RETRY_SECONDS = 1;

export const initialState: State = {
  link: undefined,
  workers: [],
  announced: false,
  stopping: false,
  resting: false,
  ended: false,
  asked: 0,
};

/** The next state, and what to do about it, in order. */
export function step(state: State, event: Event): [State, Action[]] {
  if (state.ended) return [state, []];
  const [next, actions] = react(state, event);
  const [settled, more] = next.ended ? [next, []] : settle(next);
  return [settled, [...actions, ...more]];
}

function react(state: State, event: Event): [State, Action[]] {
  switch (event.type) {
    case 'linked':
      return [{ ...state, link: event.generation, resting: false }, []];
    case 'unlinked':
      // What was asked of that process will not come; what it has forked lives on.
      return [
        { ...state, link: undefined, workers: state.workers.filter((w) => w.phase !== 'requested') },
        [],
      ];
    case 'forked':
      return [update(state, event.token, 'requested', (w) => ({ ...w, phase: 'booting' })), []];
    case 'ready':
      return onReady(state, event.token);
    case 'exited':
      return onExited(state, event.token, event.ending);
    case 'unfit':
      return [update(state, event.token, 'serving', (w) => ({ ...w, unfit: w.unfit ?? event.reason })), []];
    case 'retry':
      return [{ ...state, resting: false }, []];
    case 'stop':
      return onStop(state);
  }
}

function onReady(state: State, token: string): [State, Action[]] {
  const worker = find(state, token);
  if (!worker || (worker.phase !== 'booting' && worker.phase !== 'requested')) return [state, []];
  const former = state.workers.find((w) => w.phase === 'serving');
  const workers = state.workers.map((w): Worker => {
    if (w.token === token) return { ...w, phase: 'serving' };
    return w === former ? { ...w, phase: 'draining' } : w;
  });
  const actions: Action[] = [{ type: 'tellReady', token }];
  if (former) actions.push({ type: 'drain', token: former.token });
  else if (worker.replaces) actions.push({ type: 'tellReplaced', token });
  if (!state.announced) actions.push({ type: 'announce' });
  return [{ ...state, workers, announced: true }, actions];
}

function onExited(state: State, token: string, ending: Ending): [State, Action[]] {
  const worker = find(state, token);
  if (!worker) return [state, []];
  const workers = state.workers.filter((w) => w !== worker);
  const rest = { ...state, workers };
  switch (worker.phase) {
    case 'draining': {
      const successor = workers.find((w) => w.replaces === token);
      return [rest, successor ? [{ type: 'tellReplaced', token: successor.token }] : []];
    }
    case 'leaving':
      return [rest, []];
    case 'requested':
      // The preload process dropped the request, most likely because it ended: 'unlinked' follows then.
      return [{ ...rest, resting: true }, [{ type: 'rest', seconds: REQUEST_RETRY_SECONDS }]];
    case 'serving':
      return onServingLost(rest, ending);
    case 'booting':
      return onBootFailed(rest, ending);
  }
}

function onServingLost(state: State, ending: Ending): [State, Action[]] {
  if (state.stopping) return [state, []];
  const message = `the worker ended by itself: ${inWords(ending)}`;
  // A successor on its way is quicker than a new supervisor.
  if (coming(state)) return [state, [{ type: 'complain', message }]];
  return end(state, 1, { type: 'complain', message: `${message}; PM2 starts another` });
}

function onBootFailed(state: State, ending: Ending): [State, Action[]] {
  if (state.stopping) return [state, []];
  const message = `a worker did not start: ${inWords(ending)}; its own output, above, has the reason`;
  if (!state.workers.some((w) => w.phase === 'serving')) {
    return end(state, 1, { type: 'complain', message });
  }
  const kept = `${message}. The present one goes on serving; the next attempt is in ${RETRY_SECONDS} s`;
  return [
    { ...state, resting: true },
    [
      { type: 'complain', message: kept },
      { type: 'rest', seconds: RETRY_SECONDS },
    ],
  ];
}

function onStop(state: State): [State, Action[]] {
  if (state.stopping) return [state, []];
  const actions: Action[] = [];
  const workers: Worker[] = [];
  for (const worker of state.workers) {
    switch (worker.phase) {
      case 'requested':
        actions.push({ type: 'cancel', token: worker.token });
        break;
      case 'booting':
        actions.push({ type: 'terminate', token: worker.token });
        workers.push({ ...worker, phase: 'leaving' });
        break;
      case 'serving':
        actions.push({ type: 'drain', token: worker.token });
        workers.push({ ...worker, phase: 'draining' });
        break;
      default:
        workers.push(worker);
    }
  }
  return [{ ...state, workers, stopping: true }, actions];
}

/** What the state by itself asks for: a first worker, a successor, or the end. */
function settle(state: State): [State, Action[]] {
  if (state.stopping) return state.workers.length ? [state, []] : end(state, 0);
  if (!state.link || state.resting || coming(state)) return [state, []];
  const serving = state.workers.find((w) => w.phase === 'serving');
  if (!serving) return settleWithout(state, state.link);
  const reason = reasonToReplace(serving, state.link);
  if (!reason) return [state, []];
  if (serving.generation.version !== state.link.version) {
    const draining = { ...serving, phase: 'draining' as const };
    return [
      { ...state, workers: state.workers.map((w) => (w === serving ? draining : w)) },
      [
        {
          type: 'log',
          message: `${reason}: the worker stops first, as no two versions may serve one database`,
        },
        { type: 'drain', token: serving.token },
      ],
    ];
  }
  const [asked, actions] = ask(state, state.link, serving.token);
  return [asked, [{ type: 'log', message: `replacing the worker: ${reason}` }, ...actions]];
}

function settleWithout(state: State, link: Generation): [State, Action[]] {
  // A worker of another version may still finish its answers: wait until it has left.
  const overlaps = state.workers.some((w) => w.generation.version !== link.version);
  return overlaps ? [state, []] : ask(state, link, undefined);
}

function ask(state: State, generation: Generation, replaces: string | undefined): [State, Action[]] {
  const token = String(state.asked);
  const worker: Worker = { token, generation, phase: 'requested', ...(replaces ? { replaces } : {}) };
  return [
    { ...state, asked: state.asked + 1, workers: [...state.workers, worker] },
    [{ type: 'fork', token, replaces: replaces !== undefined }],
  ];
}

function end(state: State, code: number, ...before: Action[]): [State, Action[]] {
  return [{ ...state, ended: true }, [...before, { type: 'exit', code }]];
}

function reasonToReplace(worker: Worker, link: Generation): string | undefined {
  if (worker.generation.version !== link.version) {
    return `Open WebUI is ${link.version} now, the worker is ${worker.generation.version}`;
  }
  if (worker.generation.name !== link.name) return `the preload process is new (generation ${link.name})`;
  return worker.unfit;
}

function coming(state: State): Worker | undefined {
  return state.workers.find((w) => w.phase === 'requested' || w.phase === 'booting');
}

function find(state: State, token: string): Worker | undefined {
  return state.workers.find((w) => w.token === token);
}

function update(
  state: State,
  token: string,
  phase: Worker['phase'],
  change: (worker: Worker) => Worker,
): State {
  return {
    ...state,
    workers: state.workers.map((w) => (w.token === token && w.phase === phase ? change(w) : w)),
  };
}

function inWords({ code, signal }: Ending): string {
  if (signal === 'SIGKILL') return 'killed by SIGKILL (by hand, or by the kernel when memory ran out)';
  if (signal) return `killed by ${signal}`;
  if (code !== undefined) return `exit code ${code}`;
  return 'nobody saw how';
}
