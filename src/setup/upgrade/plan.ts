import { dirname, join } from 'node:path';
import { databaseUrl, parseDatabaseUrl } from '../../facts/services/urls.ts';
import type { Settings } from '../../facts/types.ts';
import type { Tuned } from '../../tune/tuned.ts';
import type { Setup } from '../up/setup.ts';
import { replaceableEnvironment } from './environment.ts';
import type { UpgradeData } from './job.ts';
import { OPEN_WEBUI, planPackages } from './packages.ts';
import { chooseVersions, runningVersion } from './versions.ts';

/** Reads what runs and what pip would change. Changes nothing. Throws TuneError. */
export async function planUpgrade(
  { plan, settings }: Pick<Tuned, 'plan' | 'settings'>,
  { env, folder: ours }: Pick<Setup, 'env' | 'folder'>,
  { wanted, rehearsal }: { wanted: string | undefined; rehearsal: boolean },
): Promise<UpgradeData> {
  const versions = chooseVersions({
    wanted,
    installed: plan.openWebui.version,
    running: runningVersion(dirname(plan.places.controlSocket)),
  });
  const now = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14);
  const name = `upgrade-${versions.from}-to-${versions.to}-${now}`;
  const { python, dataDir, controlSocket } = plan.places;
  const common = {
    ...versions,
    python,
    folder: join(dataDir, 'backups', name),
    ...(rehearsal && { rehearsal: `webui_tune_rehearsal_${now}` }),
  };
  if (versions.installed) {
    // Installed by hand: of what it replaced, only the package itself is known.
    return { ...common, changes: [{ name: OPEN_WEBUI, from: versions.from, to: versions.to }] };
  }
  const { changes, bytes } = await planPackages({ ...common, env }, versions.to);
  const data = [dataDir, ours, dirname(controlSocket), process.cwd(), ...sqliteFile(settings)];
  return { ...common, changes, download: bytes, environment: replaceableEnvironment(python, data) };
}

function sqliteFile(settings: Settings): string[] {
  const url = parseDatabaseUrl(databaseUrl(settings) ?? '');
  return url?.scheme === 'sqlite' && url.database ? [url.database] : [];
}
