/** Facts for the doctor’s checks, as far as a test needs them. */
import { check, type ok } from '../../src/doctor/check.ts';
import { CHECKS } from '../../src/doctor/checks/index.ts';
import type { Facts } from '../../src/doctor/facts.ts';
import { FACTS, type Outcomes } from '../../src/doctor/facts.ts';
import { absent } from '../../src/doctor/outcome.ts';
import { makePlan } from '../../src/plan/index.ts';
import { inputOf } from './inputs.ts';

/** As much of a fact as a check looks at. */
export type Partly<T> = { [K in keyof T]?: T[K] extends object ? Partly<T[K]> : T[K] };

export function verdictsOf(id: string, facts: Partly<Facts>): string[] {
  const check = CHECKS.find((one) => one.id === id);
  if (!check) throw new Error(`there is no ${id}`);
  return check.run(facts as Facts).map(({ verdict }) => verdict);
}

export const plan = makePlan(inputOf());

/** A running cluster of `plan` that holds so many bytes in all. */
export function treeOf(bytes: number): Facts['cluster'] {
  const { workers, memory } = plan;
  const each = (size: number) => Array.from({ length: workers }, () => size);
  const own = {
    workers: each(memory.worker - memory.supervisor),
    supervisors: each(memory.supervisor),
  };
  return { address: { host: '127.0.0.1', port: 8080 }, workers: [], isReady: true, bytes, private: own };
}

/** Nothing is known, but for what a test says. */
export function outcomesOf(outcomes: Partial<Outcomes>): Outcomes {
  const nothing = Object.fromEntries(Object.keys(FACTS.lacking).map((name) => [name, absent('not asked')]));
  return { ...nothing, ...outcomes } as Outcomes;
}

export const port = (run: (number: number) => ReturnType<typeof ok>) =>
  check({
    id: 'machine.port',
    title: 't',
    why: 'w',
    source: 's',
    needs: ['port'],
    about: 'port',
    run: ({ port }) => run(port.number),
  });
