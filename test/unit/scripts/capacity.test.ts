import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ASSUMPTIONS, breakingPoints, capacityFor, workersFor } from '../../../scripts/scaling/capacity.ts';
import { withFigures } from '../../../scripts/scaling/document.ts';
import { renderCapacity, renderLimits } from '../../../scripts/scaling/table.ts';
import { MEASURED } from '../../../src/plan/measured-capacity.ts';
import { ROOT } from '../../kit/environment.ts';

const need = (users: number, part: string) =>
  capacityFor(users).loads.find((load) => load.part === part)?.need ?? Number.NaN;

describe('capacityFor', () => {
  it('computes by the measured figures', () => {
    // 10 % of 1,000 users ask 10 questions an hour and open the page twice.
    const messages = 1_000 / SECONDS;
    expect(capacityFor(1_000).messages).toBeCloseTo(messages, 6);
    const { chat, request, opening, idleSecond } = MEASURED;
    const transactions =
      messages * (chat.transactions + 10 * request.transactions) +
      (200 / SECONDS) * opening.transactions +
      100 * idleSecond.transactions;
    expect(need(1_000, 'PostgreSQL')).toBeCloseTo(transactions / 0.6, 6);
    expect(need(1_000, 'worker memory')).toBe(MEASURED.processBytes + 100 * MEASURED.pageBytes);
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
    for (const users of [1_000, 100_000, 10_000_000]) {
      const { installations, loads, users: each } = capacityFor(users);
      expect(installations * each).toBeGreaterThanOrEqual(users);
      for (const { need: needed, limit } of loads)
        expect(needed).toBeLessThanOrEqual(limit ?? Number.MAX_VALUE);
    }
    expect(capacityFor(1_000).installations).toBe(1);
    expect(capacityFor(10_000_000).installations).toBeGreaterThan(10);
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

describe('workersFor', () => {
  it('is never enough once the events of others fill a worker', () => {
    expect(workersFor(6, 0, 0.6)).toBe(10);
    expect(workersFor(6, 0.3, 0.6)).toBe(20);
    expect(workersFor(6, 0.6, 0.6)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('docs/scaling.md', () => {
  it('has the computed figures', () => {
    const document = readFileSync(join(ROOT, 'docs', 'scaling.md'), 'utf8');
    expect(withFigures(document)).toBe(document);
    expect(document).toContain(renderCapacity(capacityFor(100_000)));
    expect(document).toContain(renderLimits());
  });
});
