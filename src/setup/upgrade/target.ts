import type { Plan } from '../../plan/types.ts';
import type { Pm2 } from '../pm2/client.ts';
import type { Setup } from '../up/setup.ts';
import { serves, startCluster, stopCluster } from './cluster.ts';
import {
  copyEnvironment,
  exchangeEnvironments,
  finishEnvironment,
  madePython,
  removeBeside,
} from './environment.ts';
import type { UpgradeData, UpgradeTarget } from './job.ts';
import { applyPackages, fetchPackages, installPackages, layPackages, type Packages } from './packages.ts';
import { clearRehearsal, rehearse } from './rehearsal.ts';
import { requireRoom } from './room.ts';

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
  const madeOf = (data: UpgradeData, environment: string): Packages => ({
    ...packagesOf(data),
    python: madePython(environment, data.python),
  });
  const place = async () => {
    const { plan, settings } = await tuned();
    const { dataDir, python } = plan.places;
    return { settings, dataDir, python, env, services };
  };
  return {
    service: { stop: () => onCluster(stopCluster), start: () => onCluster(startCluster) },
    packages: {
      fetch: async (data) => {
        const { environment, changes } = data;
        if (environment === undefined) return fetchPackages(packagesOf(data), changes);
        await copyEnvironment(environment, data.python, env);
        await installPackages(madeOf(data, environment), changes);
        await finishEnvironment(environment, data.python, env);
      },
      install: async (data, direction) =>
        data.environment === undefined
          ? applyPackages(packagesOf(data), data.changes, direction)
          : exchangeEnvironments(data.environment, direction),
      clear: async ({ environment }) => {
        if (environment !== undefined) removeBeside(environment);
      },
    },
    requireRoom: async (data) => requireRoom(data, await place()),
    serves: async (version) => serves((await tuned()).plan, version),
    rehearsal: {
      run: async (data) =>
        rehearse(data, {
          ...(await place()),
          folder: data.folder,
          newVersion: async (folder) => {
            const { environment, changes, python, installed } = data;
            if (environment !== undefined) return { python: madePython(environment, python) };
            if (installed) return { python };
            await layPackages(packagesOf(data), changes, folder);
            return { python, path: folder };
          },
          log: setup.log('rehearsal'),
        }),
      clear: async (data) => clearRehearsal(data, { ...(await place()), folder: data.folder }),
    },
    place,
  };
}
