import type { FactName, Facts } from './facts.ts';

/** From best to worst. `skipped` says nothing about the installation; its text says why. */
export const VERDICTS = ['ok', 'note', 'skipped', 'warning', 'error'] as const;
export type Verdict = (typeof VERDICTS)[number];

export const GROUPS = [
  'python',
  'settings',
  'redis',
  'database',
  'vectors',
  'files',
  'ecosystem',
  'pm2',
  'machine',
  'cluster',
  'proxy',
] as const;
export type Group = (typeof GROUPS)[number];

/** What can be mended without losing anything. */
export type Fix =
  | { kind: 'chmod'; path: string; mode: number }
  | { kind: 'remove'; path: string }
  | { kind: 'redis'; name: string; value: string }
  | { kind: 'pm2 save' };

export interface Finding {
  verdict: Verdict;
  /** What was found, in a sentence without a full stop; never a secret. */
  found: string;
  /** Commands or lines to change, in order. Empty: nothing to do. */
  mend: readonly string[];
  /** What `--fix` does instead. */
  fix?: Fix;
}

export interface Check {
  /** `group.what`: never changes, so that scripts may name it. */
  id: string;
  group: Group;
  title: string;
  /** What users suffer when it is wrong. */
  why: string;
  /** How we know. */
  source: string;
  /** Facts without which there is nothing to look at. */
  needs: readonly FactName[];
  uses: readonly FactName[];
  /** The fact whose failure this check reports; other checks that need it are skipped then. */
  about?: FactName;
  run(facts: Facts): readonly Finding[];
}

interface TypedCheck<K extends FactName, O extends FactName>
  extends Omit<Check, 'needs' | 'uses' | 'run' | 'group'> {
  needs: readonly K[];
  /** Facts that it looks at where they are known. */
  uses?: readonly O[];
  run(facts: Pick<Facts, K> & Partial<Pick<Facts, O>>): Finding | readonly Finding[];
}

/** A check that sees the facts that it names, and no others. */
export function check<K extends FactName, O extends FactName = never>(typed: TypedCheck<K, O>): Check {
  const { uses = [], ...rest } = typed;
  const group = GROUPS.find((name) => typed.id.startsWith(`${name}.`));
  if (!group) throw new Error(`${typed.id} belongs to no group`);
  return { ...rest, uses, group, run: (facts) => [typed.run(facts)].flat() };
}

export const ok = (found: string): Finding => ({ verdict: 'ok', found, mend: [] });
export const note = (found: string, ...mend: string[]): Finding => ({ verdict: 'note', found, mend });
export const warning = (found: string, ...mend: string[]): Finding => ({ verdict: 'warning', found, mend });
export const error = (found: string, ...mend: string[]): Finding => ({ verdict: 'error', found, mend });
export const skipped = (found: string): Finding => ({ verdict: 'skipped', found, mend: [] });
