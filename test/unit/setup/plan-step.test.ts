import { describe, expect, it } from 'vitest';
import { GIB } from '../../../src/base/units.ts';
import { makePlan } from '../../../src/plan/index.ts';
import { fingerprintOf, tunedByAnswers } from '../../../src/setup/up/plan-step.ts';
import type { Tuned } from '../../../src/tune/tuned.ts';
import { inputOf, SERVICES } from '../../kit/inputs.ts';
import { settingsOf } from '../../kit/settings-of.ts';

describe('the fingerprint of a plan', () => {
  const of = (input: Parameters<typeof inputOf>[0], options = {}) =>
    fingerprintOf(makePlan(inputOf(input)), options);
  const { machine } = inputOf();

  it('stays while only free memory differs', () => {
    const memory = { ...machine.memory, availableBytes: 4 * GIB };
    expect(of({ machine: { ...machine, memory } })).toBe(of({}));
  });

  it('does not depend on the order in which options were said', () => {
    expect(of({}, { port: 1, workers: 2 })).toBe(of({}, { workers: 2, port: 1 }));
  });

  it('changes with the options, the machine and the settings', () => {
    const others = [
      of({}, { workers: 2 }),
      of({ machine: { ...machine, cpu: { ...machine.cpu, physicalCores: 2 } } }),
      of({ settings: settingsOf({ WEBUI_NAME: 'x' }) }),
      of({ services: { ...SERVICES, redis: { kind: 'none' } } }),
    ];
    expect(new Set([of({}), ...others]).size).toBe(others.length + 1);
  });
});

describe('a plan', () => {
  const SILENT = {
    ...SERVICES,
    database: {
      kind: 'postgresql' as const,
      where: 'db',
      answer: { up: false as const, reason: 'it is busy' },
    },
  };

  /** As an installation whose database answers from the given attempt on. */
  function answering(from: number) {
    let attempt = 1;
    return {
      tuned: async () =>
        ({ plan: makePlan(inputOf({ services: attempt < from ? SILENT : SERVICES })) }) as unknown as Tuned,
      changed: () => {
        attempt += 1;
      },
    };
  }

  it('waits for the answer of a database that is busy, whose silence would be another plan', async () => {
    const { plan } = await tunedByAnswers(answering(2));
    expect(plan.workers).toBe(makePlan(inputOf()).workers);
    expect(plan.workers).toBeGreaterThan(makePlan(inputOf({ services: SILENT })).workers);
  });

  it('is not made without that answer', async () => {
    await expect(tunedByAnswers(answering(9), 0)).rejects.toThrow(
      'PostgreSQL at db does not answer: it is busy',
    );
  });
});
