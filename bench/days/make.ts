/**
 * Days of load, made up. What people do is assumed as in docs/scaling.md (scripts/scaling/capacity.ts, ASSUMPTIONS), and
 * what it costs was measured there (plan/measured-capacity.ts). Assumed beside that, and never measured:
 *
 * - The share of the users who are there in each hour of the day (`hours`: of those in the busiest one).
 * - Whoever is there asks, and opens pages, at any moment (Poisson). With a `bell`, half of an hour's work falls into the two
 *   minutes after each bell.
 * - An answer takes 6 s: 300 tokens, 50 a second. Its computing time is spread over it.
 * - A `job` asks as often as it gets answers, by so many connections, in its hours.
 */

import { ASSUMPTIONS } from '../../scripts/scaling/capacity.ts';
import { MEASURED } from '../../src/plan/measured-capacity.ts';

export interface Day {
  what: string;
  users: number;
  /** For each hour, the share of those who are there in the busiest one. */
  hours: readonly number[];
  /** Minutes of an hour at which all begin at once. */
  bells?: readonly number[];
  job?: { from: number; until: number; connections: number };
}

const OFFICE = [
  ...[0.02, 0.02, 0.02, 0.02, 0.02, 0.03, 0.08, 0.25, 0.6, 0.9, 1, 0.95],
  ...[0.7, 0.85, 1, 0.95, 0.8, 0.5, 0.25, 0.15, 0.12, 0.1, 0.06, 0.03],
] as const;

export const DAYS = {
  office: { what: 'an office of 15,000, on a working day', users: 15_000, hours: OFFICE },
  sunday: { what: 'the same on a Sunday', users: 15_000, hours: OFFICE.map((share) => share * 0.08) },
  school: {
    what: 'a school of 4,000, whose lessons begin with a bell',
    users: 4_000,
    hours: Array.from({ length: 24 }, (_, hour) => (hour >= 8 && hour < 16 ? 1 : 0.03)),
    bells: [0, 50],
  },
  world: {
    what: '8,000 users all over the world',
    users: 8_000,
    hours: Array.from({ length: 24 }, (_, hour) => 0.8 + 0.2 * Math.sin((hour / 24) * 2 * Math.PI)),
  },
  team: { what: 'a team of 200', users: 200, hours: OFFICE },
  job: {
    what: 'the team, and a program that asks from 2 to 3 at night as fast as it can',
    users: 200,
    hours: OFFICE,
    job: { from: 2, until: 3, connections: 8 },
  },
} as const satisfies Record<string, Day>;

export type Hours = Day['hours'];

export const OFFICE_HOURS: Hours = OFFICE;

/** The share at a moment of the day, from one hour to the next without a step. */
export function shareAt(hours: Hours, hour: number): number {
  const at = hour - 0.5;
  const index = Math.floor(at);
  const of = (one: number) => hours[(one + 24) % 24] ?? 0;
  return of(index) + (at - index) * (of(index + 1) - of(index));
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** How many events there are where `mean` are expected (Poisson). */
export function poisson(mean: number, next: () => number): number {
  let [count, product] = [0, next()];
  for (const limit = Math.exp(-mean); product > limit; count++) product *= next();
  return count;
}

/** Milliseconds of CPU of the workers that arrive in a span, and questions that are asked in it. */
export interface Arrivals {
  cpuMs: number;
  questions: number;
}

const QUESTION_MS = MEASURED.chat.cpuMs;

/** Seconds of an answer. */
export const ANSWER_SECONDS = MEASURED.chatTokens / 50;

/** What arrives in `seconds` at that hour; of questions, the computing time comes later (`ANSWER_SECONDS`). */
export function arrivals(day: Day, hour: number, seconds: number, next: () => number): Arrivals {
  const { online, messages, calls, opens } = ASSUMPTIONS;
  const there = day.users * online * shareAt(day.hours, hour) * bellFactor(day.bells, hour);
  const times = (perHour: number) => poisson((there * perHour * seconds) / 3600, next);
  const questions = times(messages);
  const asked = times(messages * calls) * MEASURED.request.cpuMs + times(opens) * MEASURED.opening.cpuMs;
  return { questions, cpuMs: asked + there * seconds * MEASURED.idleSecond.cpuMs };
}

export const questionMsPerSecond = QUESTION_MS / ANSWER_SECONDS;

const BELL_MINUTES = 2;

function bellFactor(bells: readonly number[] = [], hour: number): number {
  if (bells.length === 0) return 1;
  const minute = (hour % 1) * 60;
  const share = (bells.length * BELL_MINUTES) / 60;
  return bells.some((bell) => minute >= bell && minute < bell + BELL_MINUTES)
    ? 0.5 / share
    : 0.5 / (1 - share);
}
