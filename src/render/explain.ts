import type { Plan } from '../plan/types.ts';

/** One number or setting of the plan, with its reason and source. */
export interface Explanation {
  key: string;
  value: string;
  /** The arithmetic, or the setting's purpose. */
  reason: string;
  source: string;
}

/** The keys that `--explain` knows: every number, then every setting. */
export function explainableKeys(plan: Plan): string[] {
  return [...plan.recommendations, ...plan.settings].map(({ key }) => key);
}

/** Undefined if the plan does not have the key. Case does not matter. */
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

/** Up to 12 keys that contain a word of `key`; if none does, the first 12 of all. */
export function similarKeys(plan: Plan, key: string): string[] {
  const wanted = key.toLowerCase();
  const words = wanted.split(/[^a-z0-9]+/).filter((word) => word.length > 2);
  const keys = explainableKeys(plan);
  const similar = keys.filter((name) => words.some((word) => name.toLowerCase().includes(word)));
  return (similar.length > 0 ? similar : keys).slice(0, 12);
}
