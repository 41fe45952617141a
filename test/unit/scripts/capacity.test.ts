import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ASSUMPTIONS, breakingPoints, capacityFor } from '../../../scripts/scaling/capacity.ts';
import { withFigures } from '../../../scripts/scaling/document.ts';
import { renderCapacity, renderCosts, renderLimits } from '../../../scripts/scaling/table.ts';
import { MEASURED } from '../../../src/plan/measured-capacity.ts';
import { ROOT } from '../../kit/environment.ts';

const need = (users: number, part: string) =>
  capacityFor(users).loads.find((load) => load.part === part)?.need ?? Number.NaN;

describe('capacityFor', () => {
  it('computes by the measured figures', () => {
    // 10 % of 1,000 users ask 10 questions an hour and open the page twice.
    const messages = 1_000 / SECONDS;
    expect(capacityFor(1_000).messages).toBeCloseTo(messages, 6);
    const { chat, request, opening, idleSecond, session } = MEASURED;
    const transactions =
      messages * (chat.transactions + 10 * request.transactions) +
      (200 / SECONDS) * opening.transactions +
      100 * idleSecond.transactions;
    expect(need(1_000, 'PostgreSQL')).toBeCloseTo(transactions / 0.6, 6);
    // Each question leaves a chat and opens one, so does each page; of these, 5 % read 100 sessions.
    const redisMs =
      messages * (chat.redisCpuMs + 10 * request.redisCpuMs) +
      (200 / SECONDS) * opening.redisCpuMs +
      100 * idleSecond.redisCpuMs +
      0.05 * 2 * (messages + 200 / SECONDS) * 100 * session.redisCpuMs;
    expect(need(1_000, 'Redis')).toBeCloseTo(redisMs / 1000 / 0.6, 9);
  });

  it('counts what workers share once for each pod', () => {
    const perPod = (workersPerPod: number) =>
      capacityFor(100_000, { ...ASSUMPTIONS, workersPerPod }).loads.find(
        ({ part }) => part === 'worker memory',
      )?.need ?? Number.NaN;
    expect(perPod(4)).toBeLessThan(0.5 * perPod(1));
  });

  it('needs twice the workers for twice the users, if no chat is open at two workers', () => {
    const workers = (users: number) => capacityFor(users, { ...ASSUMPTIONS, shared: 0 }).workers;
    const half = workers(50_000);
    expect(workers(100_000)).toBeLessThanOrEqual(2 * half);
    expect(workers(100_000)).toBeGreaterThanOrEqual(2 * half - 1);
  });

  it('needs more for more users of one installation', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50_000 }), fc.integer({ min: 1, max: 50_000 }), (users, more) => {
        const [small, large] = [capacityFor(users).loads, capacityFor(users + more).loads];
        for (const [index, { need: least }] of small.entries()) {
          expect(large[index]?.need).toBeGreaterThanOrEqual(least);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('takes several installations rather than one that breaks', () => {
    for (const users of [1_000, 100_000, 1_000_000]) {
      const { installations, loads, users: each } = capacityFor(users);
      expect(installations * each).toBeGreaterThanOrEqual(users);
      for (const { need: needed, limit } of loads)
        expect(needed).toBeLessThanOrEqual(limit ?? Number.MAX_VALUE);
    }
    expect(capacityFor(1_000).installations).toBe(1);
    expect(capacityFor(1_000_000).installations).toBeGreaterThan(1);
  });
});

const SECONDS = 3_600;

describe('breakingPoints', () => {
  const points = breakingPoints();

  it('are in the order in which they come', () =>
    expect(points.map(({ users }) => users)).toEqual(
      [...points.map(({ users }) => users)].sort((a, b) => a - b),
    ));

  it('move with the assumptions', () => {
    const [first] = points;
    const twice = breakingPoints({ ...ASSUMPTIONS, messages: 2 * ASSUMPTIONS.messages });
    expect(twice[0]?.users).toBeLessThan(first?.users ?? 0);
  });
});

describe('docs/scaling.md', () => {
  it('has the computed figures', () => {
    const document = readFileSync(join(ROOT, 'docs', 'scaling.md'), 'utf8');
    expect(withFigures(document)).toBe(document);
    expect(document).toContain(renderCapacity(capacityFor(100_000)));
    expect(document).toContain(renderLimits());
    expect(document).toContain(renderCosts());
  });
});
