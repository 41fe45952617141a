import type { Plan } from '../../plan/types.ts';
import { appsOf } from '../../render/apps.ts';

/**
 * Throws where PM2 would refuse the plan's apps, or pass something over: a bug of ours. PM2's own validation is loaded
 * only where a file is made: it takes longer than a plan.
 */
export async function requireValidApps(plan: Plan): Promise<void> {
  const { faultsOf } = await import('./schema.ts');
  const faults = faultsOf(appsOf(plan));
  if (faults.length > 0) throw new Error(`PM2 would not take this file:\n${faults.join('\n')}`);
}
