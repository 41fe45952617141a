import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, TuneError } from '../errors.ts';
import { processesWith } from '../machine/processes.ts';
import type { Pm2 } from '../pm2/client.ts';
import { APPS } from '../runtime/contract.ts';
import type { Plan } from '../types.ts';
import { failOnStopped, isReady, onlineWorkers } from '../up/cluster.ts';

/** Milliseconds until a start is given up: a migration of a large database takes its time. */
const START_TIMEOUT = 1_800_000;
/** Milliseconds that processes may take to be gone once PM2 says that they are stopped. */
const GONE_TIMEOUT = 30_000;
const INTERVAL = 300;

/** The two apps; the preload process first, as they are started. */
function appsOf({ runtime }: Plan): string[] {
  return runtime === 'uvicorn' ? [APPS.cluster] : [APPS.preload, APPS.cluster];
}

/** Stops the workers, which finish their answers, then the preload process; returns once no process is left. */
export async function stopCluster(pm2: Pm2, plan: Plan): Promise<void> {
  const present = new Set((await pm2.list()).map(({ name }) => name));
  for (const name of appsOf(plan).reverse()) if (present.has(name)) await pm2.run('stop', name);
  const deadline = Date.now() + GONE_TIMEOUT;
  for (;;) {
    // Workers have their socket's path from the preload process; PM2's daemon may have it too.
    const left = processesWith('/', plan.places.controlSocket).filter(
      ({ command }) => !command[0]?.startsWith('PM2'),
    );
    if (left.length === 0) return;
    if (Date.now() > deadline) {
      throw new TuneError(
        `processes of the old version do not end: ${left.map(({ pid }) => pid).join(', ')}`,
        EXIT.service,
        ['nothing has been changed; end them, and try again'],
      );
    }
    await sleep(INTERVAL);
  }
}

/**
 * Starts the preload process, which migrates, and then the workers; returns once one serves. Throws TuneError with the
 * end of the log where it cannot start.
 */
export async function startCluster(pm2: Pm2, plan: Plan): Promise<void> {
  const before = restartsOf(await pm2.list());
  for (const name of appsOf(plan)) {
    const abort = new AbortController();
    // PM2 waits until each instance is ready, and does not tell when none will be.
    const command = pm2.runUntil(abort.signal, 'start', name);
    let ended = false;
    let failure: unknown;
    command
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(() => {
        ended = true;
      });
    try {
      const deadline = Date.now() + START_TIMEOUT;
      while (!ended || (name === APPS.cluster && !(await isReady(plan)))) {
        if (failure !== undefined) throw failure;
        await sleep(INTERVAL);
        const processes = await pm2.list();
        // The workers are stopped on purpose until the preload process has been started.
        failOnStopped(processes.filter((app) => name === APPS.cluster || app.name === APPS.preload));
        failOnRestarts(processes, before);
        if (Date.now() > deadline) {
          throw new TuneError(`no worker serves after ${START_TIMEOUT / 60_000} minutes`, EXIT.service);
        }
      }
      if (failure !== undefined) throw failure;
    } finally {
      abort.abort();
    }
  }
  if (onlineWorkers(await pm2.list(), plan) === 0) {
    throw new TuneError('not all of PM2’s apps are online', EXIT.service, ['pm2 list shows which']);
  }
}

type Restarts = ReadonlyMap<number, number>;

function restartsOf(processes: Awaited<ReturnType<Pm2['list']>>): Restarts {
  return new Map(processes.map(({ pm_id, pm2_env }) => [pm_id, pm2_env.restart_time]));
}

/** PM2 tries a start again that failed of something that may pass; here it is a failure all the same. */
function failOnRestarts(processes: Awaited<ReturnType<Pm2['list']>>, before: Restarts): void {
  const again = processes.find(
    ({ name, pm_id, pm2_env }) =>
      (name === APPS.preload || name === APPS.cluster) &&
      pm2_env.restart_time > (before.get(pm_id) ?? 0) + RESTARTS_BORNE,
  );
  if (again) failOnStopped([{ ...again, pm2_env: { ...again.pm2_env, status: 'errored' } }]);
}

/** A start may fail of a service that is just coming up; `pm2 start` itself counts as one. */
const RESTARTS_BORNE = 2;
