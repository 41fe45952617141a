import type { Settings } from '../../facts/types.ts';
import type { Plan } from '../../plan/types.ts';
import type { EcosystemFile } from './ecosystem.ts';

/**
 * Settings as the workers see them: the user's, then those of the ecosystem file. Without a file, those of the plan, and
 * the preset's too: it is in the plan.
 */
export function effectiveSettings(
  settings: Settings,
  ecosystem: EcosystemFile | undefined,
  plan: Plan | undefined,
): ReadonlyMap<string, string> {
  const users = [...settings].filter(([, { source }]) => !(ecosystem && source === 'preset'));
  return new Map([
    ...(ecosystem ? Object.entries(ecosystem.env) : plannedValues(plan)),
    ...users.map(([name, { value }]) => [name, value] as const),
  ]);
}

function plannedValues(plan: Plan | undefined): (readonly [string, string])[] {
  return (plan?.settings ?? []).flatMap(({ key, value }) =>
    value === undefined ? [] : [[key, value] as const],
  );
}
