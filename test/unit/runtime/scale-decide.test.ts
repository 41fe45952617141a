/** The rule by which workers come and go, on imitated loads. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ANSWERS, BUSY, LAG, PATIENCE, type Range } from '../../../src/runtime/scale/decide.ts';
import { imitate, type Load } from '../../kit/load-model.ts';

const HOUR = 3600;

const ranges = fc
  .tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 7 }))
  .map(([least, more]): Range => ({ least, most: least + more }));

/** Any load whatever; it need not make sense. */
const loads = fc.record({
  demand: fc.double({ min: 0, max: 10, noNaN: true }),
  answers: fc.integer({ min: 0, max: 300 }),
  lag: fc.integer({ min: 0, max: 5_000 }).map((lag) => () => lag),
  waiting: fc.integer({ min: 0, max: 100 }).map((waiting) => () => waiting),
  starved: fc.double({ min: 0, max: 1, noNaN: true }),
  hasRoom: fc.boolean(),
});

/** A load that changes from time to time. */
const days = fc.array(fc.tuple(fc.integer({ min: 10, max: 1_000 }), loads), { minLength: 1, maxLength: 12 });

function loadOf(day: readonly (readonly [seconds: number, load: Load])[]): (at: number) => Load {
  return (at) => {
    let end = 0;
    for (const [seconds, load] of day) {
      end += seconds;
      if (at < end) return load;
    }
    return day.at(-1)?.[1] ?? { demand: 0 };
  };
}

const lengthOf = (day: readonly (readonly [number, Load])[]) =>
  day.reduce((sum, [seconds]) => sum + seconds, 0);

describe('whatever the load is', () => {
  it('there are never fewer than the least, nor more than the most', () =>
    fc.assert(
      fc.property(ranges, days, (range, day) => {
        const seen: number[] = [];
        imitate(range, lengthOf(day), loadOf(day), (_, workers) => seen.push(workers));
        expect(Math.min(...seen)).toBeGreaterThanOrEqual(range.least);
        expect(Math.max(...seen)).toBeLessThanOrEqual(range.most);
      }),
    ));

  it('a number outside of the range is brought back into it', () =>
    fc.assert(
      fc.property(ranges, fc.integer({ min: 1, max: 20 }), loads, (range, start, load) => {
        let last = start;
        imitate(
          range,
          400,
          () => load,
          (_, workers) => (last = workers),
          start,
        );
        expect(last).toBeGreaterThanOrEqual(range.least);
        expect(last).toBeLessThanOrEqual(range.most);
      }),
    ));

  it('nothing changes while anything else does', () =>
    fc.assert(
      fc.property(ranges, days, (range, day) => {
        const load = loadOf(day);
        const changes = imitate(range, lengthOf(day), (at) => ({
          ...load(at),
          unsettled: 'a reload is under way',
        }));
        expect(changes).toEqual([]);
      }),
    ));

  it('none is added without memory for it', () =>
    fc.assert(
      fc.property(ranges, days, (range, day) => {
        const load = loadOf(day);
        const changes = imitate(range, lengthOf(day), (at) => ({ ...load(at), hasRoom: false }));
        expect(changes.filter(({ to, from }) => to > from)).toEqual([]);
      }),
    ));

  it('two changes are seconds apart', () =>
    fc.assert(
      fc.property(ranges, days, (range, day) => {
        const changes = imitate(range, lengthOf(day), loadOf(day));
        for (const [index, { at }] of changes.entries()) {
          if (index > 0) expect(at - (changes[index - 1]?.at ?? 0)).toBeGreaterThanOrEqual(6);
        }
      }),
    ));
});

describe('a steady load', () => {
  const demands = fc.double({ min: 0, max: 10, noNaN: true });
  const answers = fc.integer({ min: 0, max: 300 });

  it('finds its number, and stays there: it only grows from the least, or only shrinks from the most', () =>
    fc.assert(
      fc.property(ranges, demands, answers, (range, demand, count) => {
        const load = () => ({ demand, answers: count });
        const up = imitate(range, 3 * HOUR, load);
        expect(up.filter(({ to, from }) => to < from)).toEqual([]);
        const down = imitate(range, 3 * HOUR, load, undefined, range.most);
        expect(down.filter(({ to, from }) => to > from)).toEqual([]);
      }),
      { numRuns: 40 },
    ));

  it('that differs by a fifth from moment to moment does the same', () =>
    fc.assert(
      fc.property(
        ranges,
        demands,
        fc.infiniteStream(fc.double({ min: 0.8, max: 1.2, noNaN: true })),
        (range, demand, noise) => {
          const load = () => ({ demand: demand * Number(noise.next().value) });
          const changes = imitate(range, 2 * HOUR, load);
          expect(changes.filter(({ to, from }) => to < from)).toEqual([]);
        },
      ),
      { numRuns: 40 },
    ));

  it('is too much for one fewer, or has the least; and not too much, or has the most', () =>
    fc.assert(
      fc.property(ranges, demands, (range, demand) => {
        let settled = range.most;
        imitate(
          range,
          3 * HOUR,
          () => ({ demand }),
          (_, workers) => (settled = workers),
          range.most,
        );
        if (settled > range.least) expect(demand / (settled - 1) + 0.02).toBeGreaterThanOrEqual(BUSY.shrink);
        if (settled < range.most) expect(demand / settled).toBeLessThanOrEqual(BUSY.grow);
      }),
      { numRuns: 40 },
    ));

  it.each([1, 4, 7])(
    'whose standstills go with more than %d workers is tried with fewer less and less often',
    (enough) => {
      const lag = (workers: number) => (workers > enough ? 0 : 2 * LAG.grow);
      const changes = imitate({ least: 1, most: 8 }, 24 * HOUR, () => ({ demand: 0.01, lag }));
      // To the number at which they go, then: taken away and missed after 2, 4, 8, 16 and 32 minutes, and every 32 again.
      expect(changes.length).toBeLessThanOrEqual(enough + 2 * (4 + (24 * HOUR) / PATIENCE.most));
      expect(changes.length).toBeGreaterThan(enough);
    },
  );
});

/** Seconds until there are so many workers. */
function untilThere(range: Range, workers: number, load: (at: number) => Load): number {
  return imitate(range, 600, load).find(({ to }) => to === workers)?.at ?? Number.POSITIVE_INFINITY;
}

describe('a load that comes all at once', () => {
  const range = { least: 1, most: 4 };
  const after = (load: Load) => (at: number) => (at < 60 ? { demand: 0.01 } : load);

  it('has a second worker within 20 s, and all four within 60', () => {
    const load = after({ demand: 4 });
    expect(untilThere(range, 2, load)).toBeLessThanOrEqual(60 + 20);
    expect(untilThere(range, 4, load)).toBeLessThanOrEqual(60 + 60);
  });

  it.each<[string, Load, string]>([
    ['answers in generation', { demand: 0.1, answers: 4 * ANSWERS.grow }, 'answers'],
    ['connections that wait', { demand: 0.1, waiting: (workers) => workers }, 'waiting'],
    ['event loops that all stand still', { demand: 0.1, lag: () => LAG.grow }, 'lag'],
  ])('has one for %s too', (_, load, cause) => {
    const [first] = imitate(range, 600, after(load));
    expect(first).toMatchObject({ from: 1, to: 2, cause });
    expect(first?.at).toBeLessThanOrEqual(60 + 40);
  });

  it('has none for a standstill that happens once, nor for connections that wait for a moment', () => {
    // A standstill is told for 15 s.
    const once = (at: number): Load =>
      at >= 60 && at < 75
        ? { demand: 0.1, lag: () => 9_000, waiting: () => (at < 62 ? 9 : 0) }
        : { demand: 0.1 };
    expect(imitate(range, 600, once)).toEqual([]);
  });

  it('has none where the processors are what is missing', () => {
    const load = { demand: 0.1, lag: () => 900, waiting: () => 9, starved: 0.5 };
    expect(imitate(range, 600, after(load))).toEqual([]);
  });

  it('has gone two minutes after its end, a worker each time', () => {
    const load = (at: number) => ({ demand: at < 120 ? 4 : 0.01 });
    const changes = imitate(range, HOUR, load);
    expect(changes.map(({ to }) => to)).toEqual([2, 3, 4, 3, 2, 1]);
    const [, , , third, second, first] = changes.map(({ at }) => at);
    expect(third).toBeLessThanOrEqual(120 + PATIENCE.least + 40);
    expect(first).toBeLessThanOrEqual(120 + 3 * PATIENCE.least + 60);
    expect(second).toBeGreaterThan(third ?? 0);
  });

  it('is waited for by a worker that generates answers, but not for ever', () => {
    // A few answers all the time: whichever would leave has one.
    const load = (at: number) => ({ demand: at < 120 ? 4 : 0.01, answers: 4 });
    const [, , , third] = imitate(range, HOUR, load);
    expect(third).toMatchObject({ from: 4, to: 3, cause: 'calm' });
    expect(third?.at).toBeGreaterThan(120 + 2 * PATIENCE.least - 10);
    expect(third?.at).toBeLessThan(120 + 2 * PATIENCE.least + 60);
  });
});
