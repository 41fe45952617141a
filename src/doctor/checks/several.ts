import { type Missing, missingForSeveralWorkers, type Requirement } from '../../plan/services.ts';
import { error, type Finding, note, ok } from '../check.ts';
import type { Facts } from '../facts.ts';

/** What several workers need, and whether it is there: the plan's own rules. */
export function severalWorkersNeed(
  what: Missing['what'],
  {
    installation,
    interpreter,
    services,
    effective,
    workers,
  }: Pick<Facts, 'installation' | 'interpreter' | 'services' | 'effective' | 'workers'>,
): Finding | readonly Finding[] {
  const store = effective.get('VECTOR_DB');
  const requirement: Requirement = {
    settings: new Map([
      ...installation.settings,
      ...(store ? [['VECTOR_DB', { value: store, source: 'env file', secret: false }] as const] : []),
    ]),
    services,
    hasLocalVectors: installation.hasLocalVectors,
    hasPgvectorDriver: interpreter.probe.package.drivers.pgvector ?? false,
  };
  const missing = missingForSeveralWorkers(requirement).filter((item) => item.what === what);
  if (missing.length === 0) return ok('nothing of it is missing');
  if (workers.from === 'file' && workers.count > 1) {
    return missing.map(({ problem, mend }) =>
      error(`the file starts ${workers.count} workers, but ${problem}`, mend),
    );
  }
  if (workers.wanted === 1) return ok('one worker is all that the machine takes');
  return missing.map(({ problem, mend }) =>
    note(`one worker instead of ${workers.wanted}: ${problem}`, mend),
  );
}
