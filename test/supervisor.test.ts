import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Action, type Event, initialState, type State, step } from '../src/runtime/supervisor.ts';

const first = { name: 'a1', version: '0.12.4' };
const second = { name: 'b2', version: '0.12.4' };
const upgraded = { name: 'c3', version: '0.13.0' };

function run(events: Event[], from: State = initialState): { state: State; actions: Action[] } {
  let state = from;
  const actions: Action[] = [];
  for (const event of events) {
    const [next, more] = step(state, event);
    state = next;
    actions.push(...more);
  }
  return { state, actions };
}

const types = (actions: Action[]) => actions.map((action) => action.type);

const startUp: Event[] = [
  { type: 'linked', generation: first },
  { type: 'forked', token: '0' },
  { type: 'ready', token: '0' },
];
const { state: up } = run(startUp);

describe('start', () => {
  it('asks for a worker once the preload process is there, and tells PM2 when it serves', () => {
    expect(run(startUp).actions).toEqual([
      { type: 'fork', token: '0', replaces: false },
      { type: 'tellReady', token: '0' },
      { type: 'announce' },
    ]);
  });

  it('leaves a failed start to PM2, which counts it and backs off', () => {
    const { actions } = run([...startUp.slice(0, 2), { type: 'exited', token: '0', ending: { code: 3 } }]);
    expect(types(actions)).toEqual(['fork', 'complain', 'exit']);
    expect(actions.at(-1)).toEqual({ type: 'exit', code: 1 });
  });

  it('asks again, after a pause, where the preload process dropped the request', () => {
    const dropped = run([startUp[0] as Event, { type: 'exited', token: '0', ending: {} }]);
    expect(types(dropped.actions)).toEqual(['fork', 'rest']);
    expect(run([{ type: 'retry' }], dropped.state).actions).toEqual([
      { type: 'fork', token: '1', replaces: false },
    ]);
  });
});

describe('a worker that ends by itself', () => {
  it('ends its supervisor, so that PM2 restarts both', () => {
    const { actions } = run([{ type: 'exited', token: '0', ending: { signal: 'SIGKILL' } }], up);
    expect(types(actions)).toEqual(['complain', 'exit']);
    expect(actions[0]).toMatchObject({ message: expect.stringContaining('SIGKILL') });
  });

  it('is not missed where its successor is already on its way', () => {
    const { actions, state } = run(
      [
        { type: 'linked', generation: second },
        { type: 'forked', token: '1' },
        { type: 'exited', token: '0', ending: { code: 1 } },
        { type: 'ready', token: '1' },
      ],
      up,
    );
    expect(types(actions)).toEqual(['log', 'fork', 'complain', 'tellReady', 'tellReplaced']);
    expect(state.workers.map((w) => w.phase)).toEqual(['serving']);
  });
});

describe('a new generation', () => {
  it('is rolled in: the successor serves before the former worker drains', () => {
    const { actions } = run(
      [
        { type: 'unlinked' },
        { type: 'linked', generation: second },
        { type: 'forked', token: '1' },
        { type: 'ready', token: '1' },
        { type: 'exited', token: '0', ending: { code: 0 } },
      ],
      up,
    );
    expect(actions.filter((a) => a.type !== 'log')).toEqual([
      { type: 'fork', token: '1', replaces: true },
      { type: 'tellReady', token: '1' },
      { type: 'drain', token: '0' },
      { type: 'tellReplaced', token: '1' },
    ]);
  });

  it('of another version waits until the former worker has left', () => {
    const linked = run([{ type: 'linked', generation: upgraded }], up);
    expect(types(linked.actions)).toEqual(['log', 'drain']);
    const left = run([{ type: 'exited', token: '0', ending: { code: 0 } }], linked.state);
    expect(left.actions).toEqual([{ type: 'fork', token: '1', replaces: false }]);
  });

  it('whose worker does not start leaves the present one serving, and tries again later', () => {
    const failed = run(
      [
        { type: 'linked', generation: second },
        { type: 'forked', token: '1' },
        { type: 'exited', token: '1', ending: { code: 3 } },
      ],
      up,
    );
    expect(types(failed.actions)).toEqual(['log', 'fork', 'complain', 'rest']);
    expect(failed.state.workers.map((w) => w.phase)).toEqual(['serving']);
    expect(types(run([{ type: 'retry' }], failed.state).actions)).toEqual(['log', 'fork']);
  });
});

describe('a worker over its memory limit', () => {
  it('is replaced once, the new one ready first', () => {
    const unfit: Event = { type: 'unfit', token: '0', reason: 'its private memory is 900 MiB' };
    const { actions } = run(
      [unfit, unfit, { type: 'forked', token: '1' }, { type: 'ready', token: '1' }],
      up,
    );
    expect(types(actions)).toEqual(['log', 'fork', 'tellReady', 'drain']);
  });
});

describe('stop', () => {
  it('drains the worker and exits when it has left', () => {
    const stopped = run([{ type: 'stop' }], up);
    expect(stopped.actions).toEqual([{ type: 'drain', token: '0' }]);
    const { actions } = run([{ type: 'exited', token: '0', ending: { code: 0 } }], stopped.state);
    expect(actions).toEqual([{ type: 'exit', code: 0 }]);
  });

  it('ends a worker that does not serve yet, and exits at once where there is none', () => {
    expect(types(run([...startUp.slice(0, 2), { type: 'stop' }]).actions)).toEqual(['fork', 'terminate']);
    expect(run([{ type: 'stop' }]).actions).toEqual([{ type: 'exit', code: 0 }]);
    expect(types(run([startUp[0] as Event, { type: 'stop' }]).actions)).toEqual(['fork', 'cancel', 'exit']);
  });
});

/**
 * The world around a supervisor: what it can see depends on what it did, so the sequences are grown from the
 * state, by numbers that choose among the events that can happen next.
 */
function possible(state: State): Event[] {
  const events: Event[] = [{ type: 'stop' }, { type: 'retry' }];
  if (state.link) events.push({ type: 'unlinked' });
  for (const generation of [first, second, upgraded]) events.push({ type: 'linked', generation });
  for (const { token, phase } of state.workers) {
    if (phase === 'requested' && state.link) events.push({ type: 'forked', token });
    if (phase === 'booting') events.push({ type: 'ready', token });
    if (phase === 'serving') events.push({ type: 'unfit', token, reason: 'too large' });
    events.push({ type: 'exited', token, ending: { code: 1 } });
  }
  return events;
}

describe('whatever happens', () => {
  it('keeps one worker an instance, two only while one replaces the other, and never mixes versions', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 60 }), (choices) => {
        let state = initialState;
        for (const choice of choices) {
          const events = possible(state);
          const event = events[choice % events.length] as Event;
          const servedBefore = state.workers.some((w) => w.phase === 'serving');
          const [next, actions] = step(state, event);
          const serving = next.workers.filter((w) => w.phase === 'serving');
          const coming = next.workers.filter((w) => w.phase === 'requested' || w.phase === 'booting');
          expect(serving.length).toBeLessThanOrEqual(1);
          expect(coming.length).toBeLessThanOrEqual(1);
          if (serving[0] && coming[0]) expect(coming[0].replaces).toBe(serving[0].token);

          // The last serving worker is given up only for a successor that serves, for another version, or to stop.
          const drained = actions.find((a) => a.type === 'drain');
          if (drained && servedBefore) {
            const versions = state.workers.find((w) => w.token === drained.token)?.generation.version;
            const reason = serving.length === 1 || event.type === 'stop' || versions !== next.link?.version;
            expect(reason).toBe(true);
          }
          for (const worker of coming.filter((w) => w.phase === 'requested')) {
            const others = next.workers.filter((w) => w.generation.version !== worker.generation.version);
            expect(others).toEqual([]);
          }
          // Nothing waits for ever: with a preload process and no pause, a worker serves or is on its way.
          if (next.link && !next.stopping && !next.resting && !actions.some((a) => a.type === 'exit')) {
            expect(next.workers.length).toBeGreaterThan(0);
          }
          if (actions.some((a) => a.type === 'exit')) return;
          state = next;
        }
      }),
      { numRuns: 2000 },
    );
  });
});
