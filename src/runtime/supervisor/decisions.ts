/**
 * The decisions of a supervisor, as a pure function: it keeps one Python worker serving.
 *
 * - A worker that is to be replaced (new generation, memory limit) leaves only after its successor serves. The exception is
 *   another version of Open WebUI: two versions never serve one database.
 * - When a worker ends by itself, another is forked at once. When it ends soon after it began to serve, or does not start, its
 *   supervisor ends too, so that PM2 decides how long to wait.
 * - A supervisor that cannot get a worker of its own (a reload without a preload process, or into a broken configuration)
 *   takes over the worker of the former supervisor. PM2 then finds it ready, and the worker keeps serving.
 */

import { goodbye, onBeat, onLinkBeat, onStood, onTick } from './health.ts';
import {
  type Action,
  type Because,
  coming,
  type Ending,
  type Event,
  find,
  type Generation,
  hangs,
  type State,
  serving,
  update,
  type Worker,
} from './state.ts';

/** Seconds until the next attempt to replace a worker, after its successor did not start. */
const RETRY_SECONDS = 15;

/**
 * Seconds that a worker must have served for its supervisor to fork another at once. To start a new supervisor takes 0.2 s
 * more, and PM2 waits longer each time.
 */
const LEAST_SERVED = 2;

/** The cause while a process manager stops an instance: whether it will start it again is not known. */
const STOPPED: Because = { cause: 'restart', detail: 'stopped by the process manager' };

/** Seconds before a request that the preload process dropped is made again. */
const REQUEST_RETRY_SECONDS = 1;

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
      return [{ ...state, link: event.generation, linkSilent: 0, resting: false }, []];
    case 'unlinked':
      // Workers that it was asked for will not come; workers that it has forked live on.
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
      return [update(state, event.token, 'serving', (w) => ({ ...w, unfit: w.unfit ?? event.because })), []];
    case 'retry':
      return [{ ...state, resting: false }, []];
    case 'beat':
      return onBeat(state, event.token);
    case 'linkBeat':
      return onLinkBeat(state);
    case 'stood':
      return onStood(state, event.token, event.seconds);
    case 'tick':
      return onTick(state, event.seconds);
    case 'stranded':
      return adopt(state, event.reason, false);
    case 'adopted':
      return onAdopted(state, event);
    case 'alone':
      return onAlone(state);
    case 'handedOver':
      return onHandedOver(state, event.token);
    case 'stop':
      return onStop(state);
  }
}

function onReady(state: State, token: string): [State, Action[]] {
  const worker = find(state, token);
  if (!worker || (worker.phase !== 'booting' && worker.phase !== 'requested')) return [state, []];
  const former = serving(state);
  const workers = state.workers.map((w): Worker => {
    if (w.token === token) return { ...w, phase: 'serving', silent: 0 };
    return w === former ? { ...w, phase: 'draining' } : w;
  });
  const because = worker.because ?? state.vacancy;
  const actions: Action[] = [{ type: 'tellReady', token, ...(because && { because }) }];
  if (former) actions.push(goodbye(state, former));
  else if (worker.replaces) actions.push({ type: 'tellReplaced', token });
  if (!state.announced) actions.push({ type: 'announce' });
  return [{ ...state, workers, announced: true, vacancy: undefined, failed: undefined }, actions];
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
      // The preload process dropped the request. If it did so because it ended, 'unlinked' follows.
      return [{ ...rest, resting: true }, [{ type: 'rest', seconds: REQUEST_RETRY_SECONDS }]];
    case 'serving':
      return onServingLost(rest, worker, ending);
    case 'booting':
      return onBootFailed(rest, ending);
  }
}

function onServingLost(state: State, worker: Worker, ending: Ending): [State, Action[]] {
  if (state.stopping) return [state, []];
  const message = `the worker ended by itself: ${inWords(ending)}`;
  const because: Because = { cause: 'crash', detail: inWords(ending) };
  const vacant = { ...state, vacancy: because };
  const next = coming(state);
  if (!next && !(state.link && worker.served >= LEAST_SERVED)) {
    return end(vacant, 1, { type: 'complain', message: `${message}; PM2 starts another` });
  }
  const actions: Action[] = [
    { type: 'complain', message: next ? message : `${message}; another is forked` },
    { type: 'vacant', because },
  ];
  // A pause before the next attempt made sense only while this worker served.
  if (!next) return [{ ...vacant, resting: false }, actions];
  if (next.phase === 'requested') {
    // It waits for its turn among all that replace a worker (roster.py). There is nothing left to replace: ask anew.
    const workers = vacant.workers.filter((w) => w !== next);
    return [{ ...vacant, workers, resting: false }, [...actions, { type: 'cancel', token: next.token }]];
  }
  // One is on its way already, and will be there sooner than another.
  const workers = state.workers.map((w) => (w === next ? { ...w, because } : w));
  return [{ ...vacant, workers }, actions];
}

function onBootFailed(state: State, ending: Ending): [State, Action[]] {
  if (state.stopping) return [state, []];
  const message = `a worker did not start: ${inWords(ending)}; its own output, above, has the reason`;
  if (!serving(state)) {
    if (state.announced || state.retired)
      return end({ ...state, failed: inWords(ending) }, 1, { type: 'complain', message });
    const [asked, actions] = adopt(
      { ...state, failed: inWords(ending) },
      'a new worker does not start',
      true,
    );
    return [asked, [{ type: 'complain', message }, ...actions]];
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

type Adopted = Extract<Event, { type: 'adopted' }>;

/** Asks for the former supervisor's worker, unless this supervisor has had a worker that served. */
function adopt(state: State, reason: string, orExit: boolean): [State, Action[]] {
  if (state.announced || state.retired || state.stopping || state.adopting || serving(state))
    return [state, []];
  return [{ ...state, adopting: { orExit } }, [{ type: 'adopt', reason }]];
}

function onAdopted(state: State, { token, generation, reason }: Adopted): [State, Action[]] {
  const worker: Worker = {
    token,
    generation,
    phase: 'serving',
    silent: 0,
    served: 0,
    unfit: { cause: 'reload', detail: `it was kept because ${reason}` },
  };
  const taken = { ...state, adopting: undefined, failed: undefined };
  if (serving(state) || state.stopping) {
    // Its own worker serves by now, or it is to stop.
    const workers: Worker[] = [...state.workers, { ...worker, phase: 'draining' }];
    return [{ ...taken, workers }, [{ type: 'drain', token }]];
  }
  const [others, actions] = makeWayFor(worker, state);
  return [
    { ...taken, workers: [...others, worker], announced: true, resting: true },
    [
      { type: 'complain', message: `${reason}: the former worker is kept, and goes on serving` },
      ...actions,
      { type: 'announce' },
      { type: 'rest', seconds: RETRY_SECONDS },
    ],
  ];
}

/** A worker that is on its way will replace the adopted one; one of another version of Open WebUI is given up. */
function makeWayFor(adopted: Worker, state: State): [Worker[], Action[]] {
  const next = coming(state);
  if (!next) return [[...state.workers], []];
  const others = state.workers.filter((w) => w !== next);
  if (next.generation.version === adopted.generation.version)
    return [[...others, { ...next, replaces: adopted.token }], []];
  const [left, actions] = dismiss([next], state);
  return [[...others, ...left], actions];
}

function onAlone(state: State): [State, Action[]] {
  if (state.adopting?.orExit && !state.stopping) return end(state, 1);
  return [{ ...state, adopting: undefined }, []];
}

function onHandedOver(state: State, token: string): [State, Action[]] {
  const left = { ...state, workers: state.workers.filter((w) => w.token !== token) };
  // Its successor served before this news came: it goes on until PM2 stops us.
  if (serving(left)) return [left, []];
  const [workers, actions] = dismiss(left.workers, left);
  return [{ ...left, workers, retired: true }, actions];
}

function onStop(state: State): [State, Action[]] {
  if (state.stopping) return [state, []];
  const [workers, actions] = dismiss(state.workers, state);
  const vacancy = serving(state) ? STOPPED : state.vacancy;
  return [{ ...state, workers, stopping: true, vacancy }, actions];
}

/** Makes these workers leave. Returns those that are still there, and what to tell them. */
function dismiss(those: readonly Worker[], state: State): [Worker[], Action[]] {
  const actions: Action[] = [];
  const workers: Worker[] = [];
  for (const worker of those) {
    switch (worker.phase) {
      case 'requested':
        actions.push({ type: 'cancel', token: worker.token });
        break;
      case 'booting':
        actions.push({ type: 'terminate', token: worker.token });
        workers.push({ ...worker, phase: 'leaving' });
        break;
      case 'serving':
        actions.push(goodbye(state, worker));
        workers.push({ ...worker, phase: 'draining' });
        break;
      default:
        workers.push(worker);
    }
  }
  return [workers, actions];
}

/** What a state calls for without any event: a first worker, a successor, or the end. */
function settle(state: State): [State, Action[]] {
  if (state.stopping) return state.workers.length ? [state, []] : end(state, 0);
  if (!state.link || state.resting || state.retired || coming(state)) return [state, []];
  // Its first worker did not start: it waits for the former supervisor's worker, or ends.
  if (state.adopting?.orExit) return [state, []];
  const worker = serving(state);
  if (!worker) return settleWithout(state, state.link);
  const because = reasonToReplace(worker, state.link, state);
  if (!because) return [state, []];
  if (because.cause === 'version') {
    const draining = update(state, worker.token, 'serving', (w) => ({ ...w, phase: 'draining' }));
    return [
      { ...draining, vacancy: because },
      [
        {
          type: 'log',
          message: `${because.detail}: the worker stops first, as no two versions may serve one database`,
        },
        goodbye(state, worker),
      ],
    ];
  }
  if (hasOtherVersion(state, state.link)) return [state, []];
  const [asked, actions] = ask(state, state.link, { token: worker.token, because });
  return [asked, [{ type: 'log', message: `replacing the worker: ${because.detail}` }, ...actions]];
}

function settleWithout(state: State, link: Generation): [State, Action[]] {
  return hasOtherVersion(state, link) ? [state, []] : ask(state, link, undefined);
}

/** While a worker of another version finishes its answers, none is forked beside it. */
function hasOtherVersion({ workers }: State, { version }: Generation): boolean {
  return workers.some(({ generation }) => generation.version !== version);
}

function ask(
  state: State,
  generation: Generation,
  former: { token: string; because: Because } | undefined,
): [State, Action[]] {
  const token = String(state.asked);
  const worker: Worker = {
    token,
    generation,
    phase: 'requested',
    silent: 0,
    served: 0,
    ...(former ? { replaces: former.token, because: former.because } : {}),
  };
  return [
    { ...state, asked: state.asked + 1, workers: [...state.workers, worker] },
    [{ type: 'fork', token, replaces: former !== undefined }],
  ];
}

function end(state: State, code: number, ...before: Action[]): [State, Action[]] {
  const { vacancy: because, failed } = state;
  const exit: Action = { type: 'exit', code, ...(because && { because }), ...(failed && { failed }) };
  return [{ ...state, ended: true }, [...before, exit]];
}

function reasonToReplace(worker: Worker, link: Generation, state: State): Because | undefined {
  if (worker.generation.version !== link.version) {
    const detail = `Open WebUI is ${link.version} now, the worker is ${worker.generation.version}`;
    return { cause: 'version', detail };
  }
  if (worker.generation.name !== link.name) {
    return { cause: 'generation', detail: `the preload process is new (generation ${link.name})` };
  }
  if (!hangs(worker, state)) return worker.unfit;
  return { cause: 'hang', detail: `it hangs: its event loop has been blocked for ${state.hangSeconds} s` };
}

function inWords({ code, signal }: Ending): string {
  if (signal === 'SIGKILL') return 'killed by SIGKILL (by hand, or by the kernel when memory ran out)';
  if (signal) return `killed by ${signal}`;
  if (code !== undefined) return `exit code ${code}`;
  return 'nobody saw how';
}
