/** Work that can wait: how much of the time it takes beside others, and without them. */
import { expect, it } from 'vitest';
import { Pacer, type PacerMachine, type Ticks } from '../../../src/base/machine/pacer.ts';

/** A machine whose others take that share of its processors. */
function machineOf(processors: number, busy: () => number) {
  let [time, worked] = [0, 0];
  const ticks: Ticks = { idle: 0, all: 0, processors };
  const machine: PacerMachine = {
    ticks: () => ({ ...ticks }),
    now: () => time,
    pause: async (ms) => {
      time += ms;
      ticks.all += ms * processors;
      ticks.idle += ms * processors * (1 - busy());
    },
  };
  return {
    machine,
    /** A piece of work, which takes all processors. */
    work: (ms: number) => {
      time += ms;
      worked += ms;
      ticks.all += ms * processors;
    },
    share: () => worked / time,
  };
}

async function shareOfWork(processors: number, busy: () => number, pieces = 5_000): Promise<number> {
  const { machine, work, share } = machineOf(processors, busy);
  const pacer = new Pacer(machine);
  for (let piece = 0; piece < pieces; piece++) {
    work(5);
    await pacer.pace();
  }
  return share();
}

it.each([
  ['two that are busy', 2, 1, 0.2, 0.3],
  ['two of which one is busy', 2, 0.5, 0.2, 0.3],
  ['two that are idle', 2, 0, 0.9, 1],
  ['one that is idle', 1, 0.05, 0.9, 1],
  ['sixteen of which two are idle', 16, 0.87, 0.9, 1],
  ['sixteen that are busy', 16, 0.99, 0.2, 0.3],
])('on %s', async (_, processors, busy, least, most) => {
  const share = await shareOfWork(processors, () => busy);
  expect(share).toBeGreaterThan(least);
  expect(share).toBeLessThanOrEqual(most);
});

it('notices within seconds that others need the processors', async () => {
  let pieces = 0;
  const busy = () => (pieces > 2_000 ? 1 : 0);
  const { machine, work } = machineOf(2, busy);
  const pacer = new Pacer(machine);
  let paused = 0;
  for (; pieces < 2_500; pieces++) {
    work(5);
    const before = machine.now();
    await pacer.pace();
    if (pieces > 2_000) paused += machine.now() - before;
  }
  // Of 2.5 seconds of work after the change, two may be done without a pause; then come five.
  expect(paused).toBeGreaterThanOrEqual(4 * 300);
});
