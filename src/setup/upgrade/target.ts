import type { Plan } from '../../plan/types.ts';
import type { Pm2 } from '../pm2/client.ts';
import type { Setup } from '../up/setup.ts';
import { serves, startCluster, stopCluster } from './cluster.ts';
import type { UpgradeData, UpgradeTarget } from './job.ts';
import { applyPackages, fetchPackages, layPackages, type Packages } from './packages.ts';
import { clearRehearsal, rehearse } from './rehearsal.ts';

/** What an upgrade works on. Each part is asked for when it is needed: the packages change meanwhile. */
export function upgradeTarget(setup: Setup): UpgradeTarget {
  const { env, services } = setup;
  const tuned = () => {
    setup.changed();
    return setup.tuned();
  };
  const onCluster = async (work: (pm2: Pm2, plan: Plan) => Promise<void>) => {
    const { plan } = await tuned();
    const pm2 = await setup.pm2();
    await work(pm2, plan);
    // After a power failure, PM2 would start what is stopped now, with packages that are half replaced.
    if (setup.remembered.startup) await pm2.run('save', '--force');
  };
  const packagesOf = ({ python, folder }: UpgradeData): Packages => ({ python, folder, env });
  const place = async () => {
    const { plan, settings } = await tuned();
    const { dataDir, python } = plan.places;
    return { settings, dataDir, python, env, services };
  };
  return {
    service: { stop: () => onCluster(stopCluster), start: () => onCluster(startCluster) },
    packages: {
      fetch: (data) => fetchPackages(packagesOf(data), data.changes),
      install: (data, direction) => applyPackages(packagesOf(data), data.changes, direction),
    },
    serves: async (version) => serves((await tuned()).plan, version),
    rehearsal: {
      run: async (data) =>
        rehearse(data, {
          ...(await place()),
          folder: data.folder,
          layPackages: (folder) => layPackages(packagesOf(data), data.changes, folder),
          log: setup.log('rehearsal'),
        }),
      clear: async (data) => clearRehearsal(data, { ...(await place()), folder: data.folder }),
    },
    place,
  };
}
