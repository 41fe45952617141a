/**
 * `npm run bench:days [-- NAME…]`: the rule by which workers come and go (runtime/scale/decide.ts), on made-up days of load
 * (make.ts has their assumptions). Prints what a range of 1 to 4 workers takes, beside four all day.
 *
 * The workers are imitated: what arrives is shared out evenly, and computed by as many cores as there are, at most one for a
 * worker. What is not done within a look waits. Memory is that of the lean level (plan/model.ts).
 */

import { MIB } from '../../src/base/units.ts';
import { baseCost, type Kind, workerCost } from '../../src/plan/model.ts';
import { changed, decide, initialScale, LOOK_SECONDS, type Range } from '../../src/runtime/scale/decide.ts';
import { type Figure, renderTable } from '../statistics.ts';
import { ANSWER_SECONDS, arrivals, DAYS, type Day, questionMsPerSecond, random } from './make.ts';

const RANGE: Range = { least: 1, most: 4 };
const CORES = 4;
const SEEDS = Number(process.env.BENCH_DAYS ?? 20);
const DAY_SECONDS = 24 * 3600;

/** Share of the time for which event loops compute at which people wait for each other. */
const CROWDED = 0.7;

/** MiB of the process that decides: at most so much was measured (docs/planning.md). */
const CONTROLLER = 12;

interface Result {
  /** Mean over the day. */
  workers: number;
  changes: number;
  /** Seconds in which the event loops were busier than CROWDED, or work waited. */
  crowded: number;
}

function live(day: Day, seed: number, range: Range): Result {
  const next = random(seed);
  let state = initialScale;
  let workers = range.least;
  let backlog = 0;
  let [sum, changes, crowded] = [0, 0, 0];
  const answers: number[] = [];
  for (let at = 0; at < DAY_SECONDS; at += LOOK_SECONDS) {
    const hour = at / 3600;
    const { cpuMs, questions } = arrivals(day, hour, LOOK_SECONDS, next);
    answers.push(...Array.from({ length: questions }, () => at + ANSWER_SECONDS));
    while ((answers[0] ?? Number.POSITIVE_INFINITY) <= at) answers.shift();
    backlog += cpuMs / 1000 + (answers.length * questionMsPerSecond * LOOK_SECONDS) / 1000;
    const capacity = LOOK_SECONDS * Math.min(workers, CORES);
    const isJob = day.job && hour >= day.job.from && hour < day.job.until;
    // It takes what is left.
    const done = isJob ? capacity : Math.min(backlog, capacity);
    backlog = Math.max(0, backlog - done);
    const busy = done / (LOOK_SECONDS * workers);
    if (backlog > 0 || busy > CROWDED) crowded += LOOK_SECONDS;
    const generating = answers.length / workers;
    const [after, { by }] = decide(
      state,
      {
        seconds: LOOK_SECONDS,
        workers: Array.from({ length: workers }, () => ({ busy, starved: 0, lag: 0, generating })),
        waiting: isJob ? Math.max(0, (day.job?.connections ?? 0) - workers) : 0,
        hasRoom: true,
        leaving: Math.floor(generating),
      },
      range,
    );
    state = after;
    if (by !== 0) {
      state = changed(state, by, workers);
      workers += by;
      changes++;
    }
    sum += workers * LOOK_SECONDS;
  }
  return { workers: sum / DAY_SECONDS, changes, crowded };
}

const KIND: Kind = { level: 'lean', embedsLocally: false };

function treeMib(workers: number): number {
  return (baseCost(KIND, RANGE.most) + workers * workerCost(KIND)) / MIB;
}

function figuresOf(name: string, day: Day): Figure[] {
  const seeds = Array.from({ length: SEEDS }, (_, index) => index + 1);
  const ranged = seeds.map((seed) => live(day, seed, RANGE));
  const fixed = seeds.map((seed) => live(day, seed, { least: RANGE.most, most: RANGE.most }));
  const figure = (what: string, unit: string, samples: number[]): Figure => ({
    what: `${name}: ${what}`,
    unit,
    samples,
  });
  return [
    figure(
      'workers, mean of the day',
      '',
      ranged.map(({ workers }) => workers),
    ),
    figure(
      'changes a day',
      '',
      ranged.map(({ changes }) => changes),
    ),
    figure(
      'memory-hours of the workers',
      '% of four',
      ranged.map(({ workers }) => (100 * workers) / RANGE.most),
    ),
    figure(
      'memory-hours of the whole tree',
      '% of four',
      ranged.map(({ workers }) => (100 * (treeMib(workers) + CONTROLLER)) / treeMib(RANGE.most)),
    ),
    figure(
      'crowded, 1 to 4',
      's a day',
      ranged.map(({ crowded }) => crowded),
    ),
    figure(
      'crowded, always 4',
      's a day',
      fixed.map(({ crowded }) => crowded),
    ),
  ];
}

const names = process.argv.slice(2);
const days = Object.entries(DAYS).filter(([name]) => names.length === 0 || names.includes(name));
for (const [name, day] of days) console.log(`${name}: ${day.what}`);
console.log(`\n${RANGE.least} to ${RANGE.most} workers on ${CORES} cores, ${SEEDS} days of each kind\n`);
console.log(renderTable(days.flatMap(([name, day]) => figuresOf(name, day))));
