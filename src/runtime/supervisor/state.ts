/** What a cluster worker knows, what can happen to it, and what it can do. decisions.ts decides. */

/** A start of the preload process. */
export interface Generation {
  name: string;
  /** Open WebUI's version. */
  version: string;
}

/** Why the place of a worker had to be filled anew. Names of what people and metrics are shown: none ever changes. */
export const CAUSES = [
  /** It ended by itself. */
  'crash',
  /** Its event loop stood still. */
  'hang',
  /** Its private memory reached the limit. */
  'memory',
  /** The preload process was started anew: its settings are others. */
  'generation',
  /** Open WebUI is another version. */
  'version',
  /** The process manager replaced it: `pm2 reload`, `systemctl reload`. */
  'reload',
  /** The process manager had stopped it, and started it again. */
  'restart',
  /** Its supervisor ended without a word. */
  'supervisor',
] as const;
export type Cause = (typeof CAUSES)[number];

export interface Because {
  cause: Cause;
  /** In words. */
  detail: string;
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
  /** Why that one has to go, or went. */
  because?: Because;
  /** Why it is to be replaced though its generation is the current one. */
  unfit?: Because;
  /** Seconds since its event loop was last heard of; counted while it serves. */
  silent: number;
  /** Seconds that it has served. */
  served: number;
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
  /** Seconds of silence after which a serving worker hangs; 0: never. */
  hangSeconds: number;
  /** It has asked the former supervisor of this instance for its worker; `orExit`: and ends without one. */
  adopting: { orExit: boolean } | undefined;
  /** Its worker was handed over to the next supervisor of this instance: this one asks for no other. */
  retired: boolean;
  /** Why no worker serves; undefined while one does, and before the first. */
  vacancy: Because | undefined;
  /** How a worker ended that did not even start, where that ends this supervisor. */
  failed: string | undefined;
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
  | { type: 'unfit'; token: string; because: Because }
  | { type: 'retry' }
  /** The event loop of a worker turns. */
  | { type: 'beat'; token: string }
  /** Time has passed in which a beat would have been heard. */
  | { type: 'tick'; seconds: number }
  /** No worker of its own can be had, for now: no preload process, or not in time. */
  | { type: 'stranded'; reason: string }
  /** The former supervisor of this instance gave us its worker, or there is none that could. */
  | { type: 'adopted'; token: string; generation: Generation; reason: string }
  | { type: 'alone' }
  /** The next supervisor of this instance has our worker. */
  | { type: 'handedOver'; token: string }
  | { type: 'stop' };

export type Action =
  | { type: 'fork'; token: string; replaces: boolean }
  /** Withdraw a request that has not been answered. */
  | { type: 'cancel'; token: string }
  /** Let the worker finish what it has, then leave. */
  | { type: 'drain'; token: string }
  /** End a worker that does not serve yet. */
  | { type: 'terminate'; token: string }
  /** Let a worker that hangs say where. */
  | { type: 'trace'; token: string }
  /** End a worker that hangs. */
  | { type: 'kill'; token: string }
  /** Ask the former supervisor of this instance for its worker: an `adopted` or `alone` follows. */
  | { type: 'adopt'; reason: string }
  /** Note that nobody serves from now on, and why. */
  | { type: 'vacant'; because: Because }
  /** Tell PM2 that this instance serves. */
  | { type: 'announce' }
  /** Tell the preload process that the worker serves; `because`: why in another's place, where this supervisor knows. */
  | { type: 'tellReady'; token: string; because?: Because }
  /** Tell the preload process that the worker whose place this one took is gone. */
  | { type: 'tellReplaced'; token: string }
  /** Send `retry` after so many seconds. */
  | { type: 'rest'; seconds: number }
  | { type: 'log'; message: string }
  | { type: 'complain'; message: string }
  /** `because`: why no worker serves then. `failed`: how one did not even start. */
  | { type: 'exit'; code: number; because?: Because; failed?: string };

export const initialState: State = {
  link: undefined,
  workers: [],
  announced: false,
  stopping: false,
  resting: false,
  ended: false,
  asked: 0,
  hangSeconds: 30,
  adopting: undefined,
  retired: false,
  vacancy: undefined,
  failed: undefined,
};

export function serving(state: State): Worker | undefined {
  return state.workers.find((w) => w.phase === 'serving');
}

/** The worker that is on its way. */
export function coming(state: State): Worker | undefined {
  return state.workers.find((w) => w.phase === 'requested' || w.phase === 'booting');
}

export function find(state: State, token: string): Worker | undefined {
  return state.workers.find((w) => w.token === token);
}

/** The state with one worker changed, where that is in the phase. */
export function update(
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

/** Whether the worker's event loop has stood still for too long. */
export function hangs({ silent }: Worker, { hangSeconds }: State): boolean {
  return hangSeconds > 0 && silent >= hangSeconds;
}
