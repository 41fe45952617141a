import { dirname, join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { makePrivateFolder } from '../../base/io/write.ts';
import type { Settings } from '../../facts/types.ts';
import type { Plan } from '../../plan/types.ts';
import type { Pm2 } from '../pm2/client.ts';
import { type Backup, type BackupPlace, backUpDatabase, checkBackup } from './backup.ts';
import { startCluster, stopCluster } from './cluster.ts';
import {
  applyPackages,
  fetchPackages,
  OPEN_WEBUI,
  type PackageChange,
  type Packages,
  planPackages,
} from './packages.ts';
import { chooseVersions, runningVersion, type Versions } from './versions.ts';

/** The installation that is upgraded. */
export interface Installation {
  plan: Plan;
  settings: Settings;
  pm2: Pm2;
  env: Environment;
  /** Folder of the embedded services. */
  services: string;
}

export interface UpgradePlan extends Versions {
  changes: PackageChange[];
  packages: Packages;
}

/** Reads what runs and what pip would change. Changes nothing. Throws TuneError. */
export async function planUpgrade({ plan, env }: Installation, wanted?: string): Promise<UpgradePlan> {
  const versions = chooseVersions({
    wanted,
    installed: plan.openWebui.version,
    running: runningVersion(dirname(plan.places.controlSocket)),
  });
  const name = `upgrade-${versions.from}-to-${versions.to}-${new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14)}`;
  const packages: Packages = {
    python: plan.places.python,
    env,
    folder: join(plan.places.dataDir, 'backups', name),
  };
  const changes = versions.installed
    ? // Installed by hand: of what it replaced, only the package itself is known.
      [{ name: OPEN_WEBUI, from: versions.from, to: versions.to }]
    : await planPackages(packages, versions.to);
  return { ...versions, changes, packages };
}

/**
 * Upgrades, with an outage: two versions must never serve one database. Everything that can fail without stopping
 * anything comes first. What fails later is undone, as far as it went; the TuneError says what serves then.
 */
export async function upgrade(
  installation: Installation,
  { from, to, installed, changes, packages }: UpgradePlan,
  tell: (text: string) => void,
): Promise<void> {
  const { plan, pm2, settings, env, services } = installation;
  const place: BackupPlace = {
    settings,
    dataDir: plan.places.dataDir,
    folder: packages.folder,
    python: plan.places.python,
    env,
    services,
  };
  await checkBackup(place);
  makePrivateFolder(packages.folder);
  tell(`fetching ${changes.length} package(s), and those to go back to: ${packages.folder}`);
  await fetchPackages(packages, changes);

  tell(`stopping the workers of ${from}: they finish their answers`);
  await stopCluster(pm2, plan);
  let backup: Backup | undefined;
  try {
    backup = await backUpDatabase(place);
    tell(`backup of the database: ${backup.words}`);
    if (!installed) {
      tell(`installing ${to}`);
      await applyPackages(packages, changes, 'forward');
    }
    tell(`starting ${to}: it migrates the database, once`);
    await startCluster(pm2, plan);
  } catch (error) {
    await goBack(installation, { from, to, changes, packages, backup }, error, tell);
  }
}

/** Always throws: with what failed, and with what serves now. */
async function goBack(
  { plan, pm2 }: Installation,
  { from, to, changes, packages, backup }: Omit<UpgradePlan, 'installed'> & { backup: Backup | undefined },
  cause: unknown,
  tell: (text: string) => void,
): Promise<never> {
  const reason = cause instanceof Error ? cause.message : String(cause);
  tell(`${to} does not start: going back to ${from}`);
  try {
    await stopCluster(pm2, plan);
    await applyPackages(packages, changes, 'back');
    if (backup?.restore) {
      tell('putting the database back');
      await backup.restore();
    }
    await startCluster(pm2, plan);
  } catch (error) {
    const second = error instanceof Error ? error.message : String(error);
    throw new TuneError(
      `the upgrade to ${to} failed, and so did going back to ${from}: nothing serves.\n${reason}\n\nThen:\n${second}`,
      EXIT.service,
      [
        `what was kept for going back: ${packages.folder}`,
        `backup of the database: ${backup?.words ?? 'none'}`,
      ],
    );
  }
  throw new TuneError(`the upgrade to ${to} failed; ${from} serves again.\n${reason}`, EXIT.service, [
    `what was fetched and backed up is in ${packages.folder}`,
  ]);
}
