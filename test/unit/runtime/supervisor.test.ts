import { describe, expect, it } from 'vitest';
import { step } from '../../../src/runtime/supervisor/decisions.ts';
import { type Action, type Event, initialState, type State } from '../../../src/runtime/supervisor/state.ts';

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
    const { actions } = run([
      ...startUp.slice(0, 2),
      { type: 'exited', token: '0', ending: { code: 3 } },
      { type: 'alone' },
    ]);
    expect(types(actions)).toEqual(['fork', 'complain', 'adopt', 'exit']);
    expect(actions.at(-1)).toEqual({ type: 'exit', code: 1, failed: 'exit code 3' });
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
  const killed: Event = { type: 'exited', token: '0', ending: { signal: 'SIGKILL' } };
  const because = { cause: 'crash', detail: expect.stringContaining('SIGKILL') };
  const { state: settled } = run([{ type: 'tick', seconds: 2 }], up);

  it('has another forked in its place at once', () => {
    const { actions, state } = run([killed, { type: 'forked', token: '1' }], settled);
    expect(actions).toEqual([
      { type: 'complain', message: expect.stringContaining('SIGKILL') },
      { type: 'vacant', because },
      { type: 'fork', token: '1', replaces: false },
    ]);
    expect(run([{ type: 'ready', token: '1' }], state).actions).toEqual([
      { type: 'tellReady', token: '1', because },
    ]);
  });

  it('has another forked though its own successor had failed, and a pause is on', () => {
    const failed: Event[] = [
      { type: 'unfit', token: '0', because: { cause: 'memory', detail: 'large' } },
      { type: 'forked', token: '1' },
      { type: 'exited', token: '1', ending: { code: 3 } },
    ];
    const { state } = run(failed, settled);
    expect(types(run([killed], state).actions)).toEqual(['complain', 'vacant', 'fork']);
  });

  it('ends its supervisor where it had only begun to serve, so that PM2 backs off', () => {
    const { actions } = run([killed], run([{ type: 'tick', seconds: 1 }], up).state);
    expect(types(actions)).toEqual(['complain', 'exit']);
    expect(actions[0]).toMatchObject({ message: expect.stringContaining('SIGKILL') });
  });

  it('ends its supervisor where there is no preload process to fork another', () => {
    expect(types(run([{ type: 'unlinked' }, killed], settled).actions)).toEqual(['complain', 'exit']);
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
    expect(types(actions)).toEqual(['log', 'fork', 'complain', 'vacant', 'tellReady', 'tellReplaced']);
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
      {
        type: 'tellReady',
        token: '1',
        because: { cause: 'generation', detail: 'the preload process is new (generation b2)' },
      },
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
    const unfit: Event = {
      type: 'unfit',
      token: '0',
      because: { cause: 'memory', detail: 'its private memory is 900 MiB' },
    };
    const { actions } = run(
      [unfit, unfit, { type: 'forked', token: '1' }, { type: 'ready', token: '1' }],
      up,
    );
    expect(types(actions)).toEqual(['log', 'fork', 'tellReady', 'drain']);
  });
});

describe('a worker whose event loop stands still', () => {
  const tick: Event = { type: 'tick', seconds: 1 };
  const beat: Event = { type: 'beat', token: '0' };
  /** Of the worker; the preload process is heard. */
  const silence = (seconds: number) =>
    Array.from({ length: seconds }, (): Event[] => [tick, { type: 'linkBeat' }]).flat();

  it('is asked where, and replaced: the new one serves first, then the former is killed', () => {
    const { actions, state } = run(
      [...silence(40), { type: 'forked', token: '1' }, { type: 'ready', token: '1' }],
      up,
    );
    expect(types(actions)).toEqual(['complain', 'trace', 'log', 'fork', 'tellReady', 'kill']);
    expect(state.workers.map((w) => w.phase)).toEqual(['draining', 'serving']);
  });

  it('is left alone as long as it is heard of, and when it is not to be watched', () => {
    expect(run([...silence(29), beat, ...silence(29), beat], up).actions).toEqual([]);
    expect(run(silence(1000), { ...up, hangSeconds: 0 }).actions).toEqual([]);
  });

  it('is killed where its successor waits for its turn, and another is forked that has not to wait', () => {
    const { actions, state } = run(
      [...silence(120), { type: 'exited', token: '0', ending: { signal: 'SIGKILL' } }],
      up,
    );
    expect(types(actions)).toEqual([
      ...['complain', 'trace', 'log', 'fork'],
      ...['complain', 'kill'],
      ...['complain', 'vacant', 'cancel', 'fork'],
    ]);
    expect(actions.at(-1)).toEqual({ type: 'fork', token: '2', replaces: false });
    expect(state.workers.map(({ token, phase }) => [token, phase])).toEqual([['2', 'requested']]);
  });

  it('drains like any other if it turns again before the new one serves', () => {
    const { actions } = run(
      [...silence(30), { type: 'forked', token: '1' }, beat, { type: 'ready', token: '1' }],
      up,
    );
    expect(types(actions)).toEqual(['complain', 'trace', 'log', 'fork', 'log', 'tellReady', 'drain']);
  });

  it('keeps its place while no preload process could give another', () => {
    const { actions } = run([{ type: 'unlinked' }, ...silence(1000)], up);
    expect(types(actions)).toEqual(['complain', 'trace']);
  });
});

describe('a supervisor that can have no worker of its own', () => {
  const stranded: Event = { type: 'stranded', reason: 'there is no preload process' };
  const adopted: Event = { type: 'adopted', token: 'adopted', generation: first, reason: 'x' };

  it('takes over that of the former supervisor, and replaces it when there is a preload process again', () => {
    const taken = run([stranded, adopted]);
    expect(types(taken.actions)).toEqual(['adopt', 'complain', 'announce', 'rest']);
    const { actions } = run(
      [
        { type: 'linked', generation: second },
        { type: 'forked', token: '0' },
        { type: 'ready', token: '0' },
      ],
      taken.state,
    );
    expect(types(actions)).toEqual(['log', 'fork', 'tellReady', 'drain']);
  });

  it('goes on waiting where there is no former one', () => {
    expect(types(run([stranded, { type: 'alone' }, startUp[0] as Event]).actions)).toEqual(['adopt', 'fork']);
  });

  it('takes it over also where a new one does not start, and else leaves it to PM2', () => {
    const failed: Event[] = [...startUp.slice(0, 2), { type: 'exited', token: '0', ending: { code: 3 } }];
    expect(types(run([...failed, adopted]).actions)).toEqual([
      'fork',
      'complain',
      'adopt',
      'complain',
      'announce',
      'rest',
    ]);
    expect(types(run([...failed, { type: 'alone' }]).actions)).toEqual(['fork', 'complain', 'adopt', 'exit']);
  });

  it('gives up one of another version that is on its way: the two would serve one database', () => {
    const other: Event = { ...adopted, generation: { name: 'former', version: 'another' } };
    const taken = run([...startUp.slice(0, 2), stranded, other]);
    expect(types(taken.actions)).toEqual(['fork', 'adopt', 'complain', 'terminate', 'announce', 'rest']);
    const { actions } = run([{ type: 'retry' }], taken.state);
    expect(types(actions)).toEqual(['log', 'drain']);
  });

  it('asks for no other once its worker was handed over, and leaves when PM2 says so', () => {
    const gone = run(
      [
        { type: 'handedOver', token: '0' },
        { type: 'linked', generation: second },
      ],
      up,
    );
    expect(gone.actions).toEqual([]);
    expect(run([{ type: 'stop' }], gone.state).actions).toEqual([{ type: 'exit', code: 0 }]);
  });
});

describe('a worker that was handed over a moment before its successor served', () => {
  it('does not take the successor with it', () => {
    const { actions, state } = run(
      [
        { type: 'linked', generation: second },
        { type: 'forked', token: '1' },
        { type: 'ready', token: '1' },
        { type: 'handedOver', token: '0' },
      ],
      up,
    );
    expect(types(actions)).toEqual(['log', 'fork', 'tellReady', 'drain']);
    expect(state.workers.map((w) => w.phase)).toEqual(['serving']);
  });
});

describe('stop', () => {
  it('drains the worker and exits when it has left', () => {
    const stopped = run([{ type: 'stop' }], up);
    expect(stopped.actions).toEqual([{ type: 'drain', token: '0' }]);
    const { actions } = run([{ type: 'exited', token: '0', ending: { code: 0 } }], stopped.state);
    expect(actions).toEqual([
      { type: 'exit', code: 0, because: { cause: 'restart', detail: 'stopped by the process manager' } },
    ]);
  });

  it('ends a worker that does not serve yet, and exits at once where there is none', () => {
    expect(types(run([...startUp.slice(0, 2), { type: 'stop' }]).actions)).toEqual(['fork', 'terminate']);
    expect(run([{ type: 'stop' }]).actions).toEqual([{ type: 'exit', code: 0 }]);
    expect(types(run([startUp[0] as Event, { type: 'stop' }]).actions)).toEqual(['fork', 'cancel', 'exit']);
  });
});

describe('why a worker serves in the place of another', () => {
  const forked: Event[] = [
    { type: 'forked', token: '1' },
    { type: 'ready', token: '1' },
  ];
  const crashed: Event = { type: 'exited', token: '0', ending: { signal: 'SIGSEGV' } };
  const because = (actions: Action[]) =>
    actions.flatMap((action) =>
      (action.type === 'tellReady' || action.type === 'exit') && action.because ? [action.because] : [],
    );

  it.each<[string, Event[]]>([
    ['memory', [{ type: 'unfit', token: '0', because: { cause: 'memory', detail: '900 MiB' } }, ...forked]],
    ['hang', [{ type: 'tick', seconds: 31 }, ...forked]],
    ['generation', [{ type: 'linked', generation: second }, ...forked]],
    [
      'version',
      [
        { type: 'linked', generation: upgraded },
        { type: 'exited', token: '0', ending: { code: 0 } },
        ...forked,
      ],
    ],
    ['crash', [crashed]],
    // What was on its way for another reason fills the gap of the crash.
    ['crash', [{ type: 'linked', generation: second }, forked[0] as Event, crashed, forked[1] as Event]],
    ['restart', [{ type: 'stop' }, { type: 'exited', token: '0', ending: { code: 0 } }]],
  ])('%s', (cause, events) => {
    const { actions } = run(events, up);
    expect(because(actions)).toEqual([{ cause, detail: expect.any(String) }]);
  });

  it('is not said of the first, nor of a worker that went over to another supervisor', () => {
    expect(because(run(startUp).actions)).toEqual([]);
    const { actions } = run([{ type: 'handedOver', token: '0' }, { type: 'stop' }], up);
    expect(types(actions)).toEqual(['exit']);
    expect(because(actions)).toEqual([]);
  });
});

describe('a preload process that does not answer', () => {
  /** The worker is heard. */
  const silence = (seconds: number) =>
    Array.from({ length: seconds }, (): Event[] => [
      { type: 'tick', seconds: 1 },
      { type: 'beat', token: '0' },
    ]).flat();

  it('is said once, killed at four times that, and left alone once it answers', () => {
    const { actions, state } = run(silence(119), up);
    expect(types(actions)).toEqual(['complain']);
    expect(actions[0]).toMatchObject({ message: expect.stringContaining('has not answered for 30 s') });
    expect(types(run(silence(1), state).actions)).toEqual(['complain', 'killPreload']);
    const answered = run([{ type: 'linkBeat' }], state);
    expect(types(answered.actions)).toEqual(['log']);
    expect(run(silence(29), answered.state).actions).toEqual([]);
  });

  it('is not counted while there is none, and begins anew with the next', () => {
    const { state } = run([...silence(29), { type: 'unlinked' }, ...silence(1000)], up);
    expect(state.linkSilent).toBe(29);
    expect(run([{ type: 'linked', generation: first }, ...silence(29)], state).actions).toEqual([]);
  });

  it('is never killed where nothing is to be watched', () => {
    expect(run(silence(1000), { ...up, hangSeconds: 0 }).actions).toEqual([]);
  });
});

describe('a worker that is stopped in its start-up', () => {
  const forked = startUp.slice(0, 2);
  const stood = (seconds: number, times: number) =>
    Array<Event>(times).fill({ type: 'stood', token: '0', seconds });

  it('is killed, for it cannot keep its own limit', () => {
    expect(types(run([...forked, ...stood(1, 29)]).actions)).toEqual(['fork']);
    const { actions } = run([...forked, ...stood(1, 30)]);
    expect(types(actions)).toEqual(['fork', 'complain', 'kill']);
    expect(actions[1]).toMatchObject({ message: expect.stringContaining('SIGSTOP') });
  });

  it('is killed too where it was told to leave', () => {
    const { actions } = run([...forked, { type: 'stop' }, ...stood(1, 30)]);
    expect(types(actions)).toEqual(['fork', 'terminate', 'complain', 'kill']);
  });

  it('may be stopped for a moment, again and again', () => {
    const events = [...stood(1, 29), ...stood(0, 1), ...stood(1, 29)];
    expect(types(run([...forked, ...events]).actions)).toEqual(['fork']);
    expect(run([...forked, ...events, { type: 'ready', token: '0' }]).state.workers[0]?.silent).toBe(0);
  });
});
