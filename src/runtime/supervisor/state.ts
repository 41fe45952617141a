/** What a cluster worker knows, what can happen to it, and what it can do. decisions.ts decides. */

/** A start of the preload process. */
export interface Generation {
  name: string;
  /** Open WebUI's version. */
  version: string;
}

/** Why a worker had to be replaced. People and metrics see these names: they never change. */
export const CAUSES = [
  /** It ended by itself. */
  'crash',
  /** Its event loop stood still. */
  'hang',
  /** Its private memory reached the limit. */
  'memory',
  /** The preload process was started anew, with other settings. */
  'generation',
  /** Open WebUI is another version. */
  'version',
  /** The process manager replaced it: `pm2 reload`, `systemctl reload`. */
  'reload',
  /** The process manager stopped it, and started it again. */
  'restart',
  /** Its supervisor ended without saying why. */
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
  /** Why that worker has to go, or went. */
  because?: Because;
  /** Why it is to be replaced although its generation is the current one. */
  unfit?: Because;
  /** Seconds since the last beat of its event loop; counted while it serves. Before that, those for which it was stopped. */
  silent: number;
  /** Seconds that it has served. */
  served: number;
}

export interface State {
  /** The generation that the preload process said it is; undefined while there is no connection to one. */
  link: Generation | undefined;
  /** Seconds since the preload process last gave a sign of life. */
  linkSilent: number;
  workers: readonly Worker[];
  /** PM2 has been told that this instance is ready. */
  announced: boolean;
  stopping: boolean;
  /** An attempt failed: the next one waits for the `retry` event or a new generation. */
  resting: boolean;
  /** The exit of this process has been decided. */
  ended: boolean;
  /** How many workers have been asked for: makes their tokens. */
  asked: number;
  /** Seconds of silence after which a serving worker hangs, or the preload process; 0: never. */
  hangSeconds: number;
  /** It has asked the former supervisor of this instance for its worker. `orExit`: it ends if it does not get one. */
  adopting: { orExit: boolean } | undefined;
  /** The next supervisor of this instance has its worker: this one asks for no other. */
  retired: boolean;
  /** Why no worker serves; undefined while one does, and before the first. */
  vacancy: Because | undefined;
  /** How a worker ended that never served, where that ends this supervisor too. */
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
  /** The preload process can fork. */
  | { type: 'linkBeat' }
  /** The worker, which does not serve yet, was stopped (SIGSTOP) for so many seconds, or was not. */
  | { type: 'stood'; token: string; seconds: number }
  /** So many seconds have passed; a beat in them would have been heard. */
  | { type: 'tick'; seconds: number }
  /** It cannot get a worker of its own for now: there is no preload process, or it took too long. */
  | { type: 'stranded'; reason: string }
  /** The former supervisor of this instance gave us its worker (`adopted`), or could not (`alone`). */
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
  /** End the preload process, which hangs: the process manager starts another. */
  | { type: 'killPreload' }
  /** Ask the former supervisor of this instance for its worker: an `adopted` or `alone` follows. */
  | { type: 'adopt'; reason: string }
  /** Note that nobody serves from now on, and why. */
  | { type: 'vacant'; because: Because }
  /** Tell PM2 that this instance serves. */
  | { type: 'announce' }
  /** Tell the preload process that the worker serves. `because`: why it replaced another, if this supervisor had another. */
  | { type: 'tellReady'; token: string; because?: Because }
  /** Tell the preload process that the worker which this one replaced has ended. */
  | { type: 'tellReplaced'; token: string }
  /** Send `retry` after so many seconds. */
  | { type: 'rest'; seconds: number }
  | { type: 'log'; message: string }
  | { type: 'complain'; message: string }
  /** `because`: why no worker serves then. `failed`: how a worker failed to start. */
  | { type: 'exit'; code: number; because?: Because; failed?: string };

export const initialState: State = {
  link: undefined,
  linkSilent: 0,
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

/** Whether the event loop of the worker has stood still for too long. */
export function hangs({ silent }: Worker, { hangSeconds }: State): boolean {
  return hangSeconds > 0 && silent >= hangSeconds;
}

/** Whether the preload process should have been heard. */
export function isPreloadSilent({ link, linkSilent, hangSeconds }: State): boolean {
  return link !== undefined && hangSeconds > 0 && linkSilent >= hangSeconds;
}
