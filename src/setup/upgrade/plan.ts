import { dirname, join } from 'node:path';
import type { Environment } from '../../base/io/environment.ts';
import type { Plan } from '../../plan/types.ts';
import type { UpgradeData } from './job.ts';
import { OPEN_WEBUI, planPackages } from './packages.ts';
import { chooseVersions, runningVersion } from './versions.ts';

/** Reads what runs and what pip would change. Changes nothing. Throws TuneError. */
export async function planUpgrade(
  plan: Plan,
  env: Environment,
  { wanted, rehearsal }: { wanted: string | undefined; rehearsal: boolean },
): Promise<UpgradeData> {
  const versions = chooseVersions({
    wanted,
    installed: plan.openWebui.version,
    running: runningVersion(dirname(plan.places.controlSocket)),
  });
  const now = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14);
  const name = `upgrade-${versions.from}-to-${versions.to}-${now}`;
  const { python, dataDir } = plan.places;
  const folder = join(dataDir, 'backups', name);
  const changes = versions.installed
    ? // Installed by hand: of what it replaced, only the package itself is known.
      [{ name: OPEN_WEBUI, from: versions.from, to: versions.to }]
    : await planPackages({ python, env, folder }, versions.to);
  return {
    ...versions,
    changes,
    python,
    folder,
    ...(rehearsal && { rehearsal: `webui_tune_rehearsal_${now}` }),
  };
}
