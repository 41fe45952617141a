import type { Plan } from '../plan/types.ts';

/** One number or setting of the plan, with all that is known about it. */
export interface Explanation {
  key: string;
  value: string;
  /** Why it is so: the arithmetic, or the setting's purpose. */
  reason: string;
  source: string;
}

/** What `--explain` can be asked: every number, then every setting. */
export function explainableKeys(plan: Plan): string[] {
  return [...plan.recommendations, ...plan.settings].map(({ key }) => key);
}

/** Undefined for a key that the plan does not have. Upper and lower case are the same. */
export function explanationOf(plan: Plan, key: string): Explanation | undefined {
  const isIt = ({ key: name }: { key: string }) => name.toLowerCase() === key.trim().toLowerCase();
  const number = plan.recommendations.find(isIt);
  if (number) {
    const { value, reason, source, limitedBy } = number;
    return {
      key: number.key,
      value: String(value),
      reason,
      source: limitedBy ? `${source}, limited by ${limitedBy}` : source,
    };
  }
  const setting = plan.settings.find(isIt);
  if (!setting) return undefined;
  return {
    key: setting.key,
    value: setting.value ?? '(secret)',
    reason: setting.reason,
    source: setting.source,
  };
}

/** Keys that share a word or a beginning with the one that does not exist; the first few of all where none does. */
export function similarKeys(plan: Plan, key: string): string[] {
  const wanted = key.toLowerCase();
  const words = wanted.split(/[^a-z0-9]+/).filter((word) => word.length > 2);
  const keys = explainableKeys(plan);
  const similar = keys.filter((name) => words.some((word) => name.toLowerCase().includes(word)));
  return (similar.length > 0 ? similar : keys).slice(0, 12);
}
