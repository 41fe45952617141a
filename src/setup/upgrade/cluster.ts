import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, TuneError } from '../../base/errors.ts';
import { isReady } from '../../base/io/address.ts';
import type { Plan } from '../../plan/types.ts';
import { APPS } from '../../runtime/contract.ts';
import type { Pm2, Pm2Process } from '../pm2/client.ts';
import { failOnStopped, remainingProcesses } from '../up/cluster.ts';
import { hasImported } from './preload-answer.ts';
import { runningVersion } from './versions.ts';

/** Milliseconds until a start is given up: a migration of a large database takes its time. */
const START_TIMEOUT = 1_800_000;
/** Milliseconds beyond their drain time that processes may take to be gone. */
const GONE_TIMEOUT = 60_000;
const INTERVAL = 300;
/** Milliseconds that the preload process may take to greet; while it imports, it does not. */
const ANSWER_TIMEOUT = 1_000;

/** The two apps; the preload process first, as they are started. */
function appsOf({ runtime }: Plan): string[] {
  return runtime === 'uvicorn' ? [APPS.cluster] : [APPS.preload, APPS.cluster];
}

/** Stops the workers, which finish their answers, then the preload process; returns once no process is left. */
export async function stopCluster(pm2: Pm2, plan: Plan): Promise<void> {
  const deadline = performance.now() + plan.drainSeconds * 1000 + GONE_TIMEOUT;
  for (;;) {
    // Again and again: what PM2 was just about to start may only turn up now.
    const running = (await pm2.list()).filter(({ pm2_env }) => !ENDED.includes(pm2_env.status));
    const names = appsOf(plan).filter((name) => running.some((app) => app.name === name));
    for (const name of names.reverse()) await pm2.run('stop', name);
    // Workers have the path of their socket from the preload process.
    const left = remainingProcesses(plan);
    if (names.length === 0 && left.length === 0) return;
    if (performance.now() > deadline) {
      const pids = left.map(({ pid }) => pid).join(', ');
      throw new TuneError(`processes of Open WebUI do not end: ${pids || names.join(', ')}`, EXIT.service, [
        'look at what they are, end them, and try again',
      ]);
    }
    await sleep(INTERVAL);
  }
}

/** Whether that version serves already. */
export async function serves(plan: Plan, version: string): Promise<boolean> {
  return runningVersion(dirname(plan.places.controlSocket)) === version && (await isReady(plan));
}

/** States of PM2 in which nothing of an app runs. */
const ENDED = ['stopped', 'errored'];

/**
 * Starts the preload process, which migrates, and then the workers; returns once they serve. Throws TuneError with the
 * end of the log where one cannot start.
 */
export async function startCluster(pm2: Pm2, plan: Plan): Promise<void> {
  const before = restartsOf(await pm2.list());
  const deadline = performance.now() + START_TIMEOUT;
  const check = (processes: readonly Pm2Process[]) => {
    failOnRestarts(processes, before);
    if (performance.now() > deadline) {
      throw new TuneError(`no worker serves after ${START_TIMEOUT / 60_000} minutes`, EXIT.service);
    }
  };
  if (plan.runtime !== 'uvicorn') {
    await pm2.run('start', APPS.preload);
    while (!(await hasImported(plan.places.controlSocket, ANSWER_TIMEOUT))) {
      const processes = (await pm2.list()).filter(({ name }) => name === APPS.preload);
      failOnStopped(processes);
      check(processes);
      await sleep(INTERVAL);
    }
  }
  const abort = new AbortController();
  // PM2 waits until each instance is ready, and does not tell when none will be.
  let ended = false;
  let failure: unknown;
  pm2
    .runUntil(abort.signal, 'start', APPS.cluster)
    .catch((error: unknown) => {
      failure = error;
    })
    .finally(() => {
      ended = true;
    });
  try {
    while (!ended || !(await isReady(plan))) {
      if (failure !== undefined) throw failure;
      await sleep(INTERVAL);
      const processes = await pm2.list();
      // Workers that PM2 has not come to yet are "stopped" too.
      failOnStopped(ended ? processes : processes.filter(({ name }) => name !== APPS.cluster));
      check(processes);
    }
    if (failure !== undefined) throw failure;
  } finally {
    abort.abort();
  }
}

type Restarts = ReadonlyMap<number, number>;

function restartsOf(processes: readonly Pm2Process[]): Restarts {
  return new Map(processes.map(({ pm_id, pm2_env }) => [pm_id, pm2_env.restart_time]));
}

/** PM2 tries a start again that failed of something that may pass; here it is a failure all the same. */
function failOnRestarts(processes: readonly Pm2Process[], before: Restarts): void {
  const again = processes.find(
    ({ name, pm_id, pm2_env }) =>
      (name === APPS.preload || name === APPS.cluster) &&
      pm2_env.restart_time > (before.get(pm_id) ?? 0) + RESTARTS_BORNE,
  );
  if (again) failOnStopped([{ ...again, pm2_env: { ...again.pm2_env, status: 'errored' } }]);
}

/** A start may fail of a service that is just coming up; `pm2 start` itself counts as one. */
const RESTARTS_BORNE = 2;
