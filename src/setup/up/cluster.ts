import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, TuneError } from '../../base/errors.ts';
import { addressOf, isReady } from '../../base/io/address.ts';
import { memoryOf, type Process, processesWith } from '../../base/machine/processes.ts';
import { formatBytes, plural } from '../../base/units.ts';
import type { Plan } from '../../plan/types.ts';
import { APPS, RUNTIME_FILES } from '../../runtime/contract.ts';
import { portInUse } from '../../tune/warnings.ts';
import type { Pm2, Pm2Process } from '../pm2/client.ts';
import { logTail } from '../pm2/logs.ts';
import { planStep, workersInWords } from './plan-step.ts';
import { followPreload } from './preload-log.ts';
import type { Setup } from './setup.ts';
import type { Step } from './step.ts';

/** Milliseconds until it is given up: a first start migrates, and a slow disk reads 3 GB for it. */
const SERVE_TIMEOUT = 900_000;
const INTERVAL = 200;
/** Rounds between two questions to PM2, each of which costs half a second of CPU. */
const ROUNDS = 25;

/** The preload process and the workers, serving. */
export function clusterStep(setup: Setup): Step {
  return {
    name: 'serving',
    check: async () => {
      const { planned, started } = setup.remembered;
      if (!planned || !setup.hasOpenWebui || started !== planned.content) return undefined;
      const { plan } = await setup.tuned();
      const [processes, ready] = await Promise.all([setup.processes(), isReady(plan)]);
      const count = onlineWorkers(processes, plan);
      return ready && count > 0 ? `${plural(count, 'worker')}: ${addressOf(plan)}` : undefined;
    },
    describe: () =>
      `start the workers under PM2 ${setup.pm2Program.version} (${setup.pm2Program.where}); some 20 s, a slow disk takes minutes`,
    run: async (progress) => {
      const serving = await startPlanned(setup, progress);
      const excess = await excessOf(setup);
      const plan = planStep(setup);
      if ((await plan.check()) !== undefined) {
        // What was observed makes no other plan: none would keep to the budget.
        return excess === undefined ? serving : `${serving}; ${excess}: webui-tune doctor says what helps`;
      }
      // Once, whatever the second start shows: never a loop.
      progress(
        `${excess ?? 'it takes less memory than was planned, or more'}: planning again with what was observed`,
      );
      await plan.run(progress);
      const { planned, started } = setup.remembered;
      const again = planned?.content === started ? serving : await startPlanned(setup, progress);
      return excess === undefined
        ? `${again}; the plan is corrected by the memory that it really takes`
        : `${again}; planned again with what was observed: ${excess}`;
    },
  };
}

/** Stops what runs, and starts what was planned; returns what serves then. */
async function startPlanned(setup: Setup, progress: (text: string) => void): Promise<string> {
  const { planned } = setup.remembered;
  if (!planned) throw new Error('nothing was planned');
  const [{ plan }, pm2] = await Promise.all([setup.tuned(), setup.pm2()]);
  pm2.endOthers(setup.ecosystemFile);
  await removeApps(pm2, [
    // It would add workers to what is being stopped.
    APPS.scale,
    ...[APPS.cluster, APPS.preload, APPS.metrics, APPS.logrotate],
  ]);
  refuseTakenPort(plan);
  await startApps(setup, pm2, plan, planned.leastWorkers ?? planned.workers, progress);
  setup.remember({ started: planned.content });
  if (setup.remembered.startup) await pm2.run('save', '--force');
  setup.changed();
  return `${workersInWords(planned)}: ${addressOf(plan)}`;
}

/** What the running tree takes, in words, where that is more than it was planned within; undefined: it keeps to it. */
async function excessOf(setup: Setup): Promise<string | undefined> {
  const budget = setup.remembered.planned?.memory?.budget;
  if (budget === undefined) return undefined;
  const { plan } = await setup.tuned();
  const bytes = memoryOf('/', processesWith('/', plan.places.controlSocket));
  return bytes > budget
    ? `the tree took ${formatBytes(bytes)} of a budget of ${formatBytes(budget)}`
    : undefined;
}

/** How many workers are online; 0 if any instance, or the preload process, is not. */
function onlineWorkers(processes: readonly Pm2Process[], plan: Plan): number {
  const states = (name: string) =>
    processes.filter((app) => app.name === name).map(({ pm2_env }) => pm2_env.status);
  const cluster = states(APPS.cluster);
  const all = plan.runtime === 'uvicorn' ? cluster : [...cluster, ...states(APPS.preload)];
  const expected = plan.runtime === 'uvicorn' ? 1 : 2;
  if (all.length < expected || all.some((state) => state !== 'online')) return 0;
  return plan.runtime === 'uvicorn' ? plan.workers : cluster.length;
}

/** Processes of Open WebUI that are left; what serves the metrics, or looks at the load, knows the socket too, and may go on. */
export function remainingProcesses({ places }: Plan): Process[] {
  return processesWith('/', places.controlSocket).filter(
    ({ command }) =>
      ![RUNTIME_FILES.metrics, RUNTIME_FILES.scale].some((file) => command.join(' ').includes(file)),
  );
}

/** In this order, each ended before the next. Returns those that PM2 had. */
export async function removeApps(pm2: Pm2, names: readonly string[]): Promise<string[]> {
  const removed = new Set<string>();
  // Again and again: PM2 goes on with a start whose command was killed, one instance after the other.
  for (;;) {
    const listed = await pm2.list();
    const present = names.filter((name) => listed.some((app) => app.name === name));
    if (present.length === 0) return [...removed];
    for (const name of present) {
      await pm2.run('delete', name);
      removed.add(name);
    }
  }
}

function refuseTakenPort({ port, places }: Plan): void {
  const [taken] = portInUse(port, processesWith('/', places.controlSocket));
  if (taken === undefined) return;
  throw new TuneError(taken.replace(/: stop it.*/, ''), EXIT.service, [
    'stop it, or choose another: webui-tune up --port 8081',
  ]);
}

async function startApps(
  setup: Setup,
  pm2: Pm2,
  plan: Plan,
  workers: number,
  progress: (text: string) => void,
): Promise<void> {
  const apps = [
    ...(plan.runtime === 'uvicorn' ? [] : [APPS.preload]),
    APPS.cluster,
    ...(plan.leastWorkers === undefined ? [] : [APPS.scale]),
    ...(plan.metricsPort === undefined ? [] : [APPS.metrics]),
    APPS.logrotate,
  ];
  const log = followPreload(pm2.home);
  const abort = new AbortController();
  // PM2 itself waits for each instance to be ready, and does not tell when one cannot be.
  const command = pm2.runUntil(abort.signal, 'start', setup.ecosystemFile, '--only', apps.join(','));
  let failure: unknown;
  command.catch((error: unknown) => {
    failure = error;
  });
  try {
    const deadline = performance.now() + SERVE_TIMEOUT;
    for (let round = 1; ; round++) {
      if (failure !== undefined) throw failure;
      if (await isReady(plan)) {
        const count = onlineWorkers(await pm2.list(), plan);
        if (count >= workers) break;
        progress(`${count} of ${plural(workers, 'worker')} online`);
      } else {
        if (round % ROUNDS === 0) failOnStopped(await pm2.list());
        const said = log.lastWord();
        if (said !== undefined) progress(said);
      }
      if (performance.now() > deadline) {
        throw new TuneError(`no worker serves after ${SERVE_TIMEOUT / 60_000} minutes`, EXIT.service, [
          `pm2 logs ${APPS.preload} shows what it is doing`,
        ]);
      }
      await sleep(INTERVAL);
    }
    await command;
  } finally {
    abort.abort();
  }
}

/** Throws TuneError with the end of its log for an app that PM2 has given up. */
export function failOnStopped(processes: readonly Pm2Process[]): void {
  const names: readonly string[] = [APPS.preload, APPS.cluster];
  const given = processes.find(
    ({ name, pm2_env }) => names.includes(name) && ['stopped', 'errored'].includes(pm2_env.status),
  );
  if (!given) return;
  throw new TuneError(`${given.name} cannot start:\n${logTail(given)}`, EXIT.service, [
    `pm2 logs ${given.name} shows more; mend it, and run webui-tune up again`,
  ]);
}
