import { until } from '../../base/io/wait.ts';
import { SERVICE_APPS } from '../../facts/embedded/apps.ts';
import { APPS } from '../../runtime/contract.ts';
import type { Service } from '../journal/service.ts';
import { remainingProcesses, removeApps } from './cluster.ts';
import { serviceStepsOf, stepsOf } from './index.ts';
import type { Setup } from './setup.ts';
import { runSteps } from './step.ts';

/** Milliseconds beyond their drain time that workers may take to be gone. */
const GONE_TIMEOUT = 60_000;

const CLUSTER = [APPS.scale, APPS.cluster, APPS.preload];
const SERVICES = [SERVICE_APPS.valkey, SERVICE_APPS.postgres];

const quiet = [() => {}, () => {}] as const;

/** What `up` has started. */
export function serviceOf(setup: Setup): Service {
  return {
    stop: async () => {
      const pm2 = setup.plainPm2();
      pm2.endOthers(setup.ecosystemFile);
      setup.changed();
      const removed = await removeApps(pm2, CLUSTER);
      // After a power failure, PM2 would start them in the middle of what is done meanwhile.
      if (removed.length > 0 && setup.remembered.startup) await pm2.run('save', '--force');
      const { plan } = await setup.tuned();
      // PM2 forgets an instance that it replaces before that has finished its answers.
      await until(() => remainingProcesses(plan).length === 0, {
        what: 'the end of the workers',
        timeoutMs: plan.drainSeconds * 1000 + GONE_TIMEOUT,
      });
      setup.changed();
    },
    start: async () => {
      setup.changed();
      await runSteps(stepsOf(setup), ...quiet);
    },
  };
}

/** Whether it runs, as far as PM2 knows. */
export async function isRunning(setup: Setup): Promise<boolean> {
  return (await setup.processes()).some(({ name }) => name === APPS.cluster);
}

/** Runs `work` with the embedded services up, and leaves them as they were. */
export async function withServices<T>(setup: Setup, work: () => Promise<T>): Promise<T> {
  const before = new Set((await setup.processes()).map(({ name }) => name));
  await runSteps(serviceStepsOf(setup), ...quiet);
  try {
    return await work();
  } finally {
    setup.changed();
    const started = SERVICES.filter((name) => !before.has(name));
    if (started.length > 0) await removeApps(setup.plainPm2(), started);
  }
}
