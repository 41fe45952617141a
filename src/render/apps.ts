import { toMib } from '../base/units.ts';
import type { EmbeddedService } from '../facts/types.ts';
import { workerLimitMib } from '../plan/index.ts';
import { variablesOf } from '../plan/option-variables.ts';
import type { Plan } from '../plan/types.ts';
import {
  APPS,
  ENV,
  EXIT_CANNOT_BOOT,
  EXIT_STOPPED_EARLY,
  KILL_SECONDS,
  READY_SECONDS,
  RUNTIME_FILES,
} from '../runtime/contract.ts';

export type AppValue =
  | string
  | number
  | boolean
  | readonly (string | number)[]
  | Readonly<Record<string, string>>;

/** An app of PM2, with the keys of its configuration file. */
export type App = Readonly<Record<string, AppValue>>;

/** Milliseconds that the preload process has to end: it serves nobody, but may be in the middle of a migration. */
const PRELOAD_KILL_TIMEOUT = 30_000;

/**
 * Milliseconds of uptime below which a death counts as unstable, and how many of those in a row end the retries
 * (pm2/lib/God.js, handleExit): an import that fails at its end takes some 20 s.
 */
const PRELOAD_MIN_UPTIME = 60_000;
const PRELOAD_MAX_RESTARTS = 10;

/**
 * Milliseconds until the first restart. PM2 multiplies the delay by 1.5 each time, up to 15 s (pm2/lib/God.js, handleExit),
 * and resets it once an instance has lived for 30 s (lib/Worker.js). A worker that dies early is missing for the whole
 * delay: with 100 ms, 4 s at the tenth death within a minute. A failed start takes half a second anyway; with 10 ms, the
 * 19th restart waits 15 s. The preload process has no delay: an attempt takes seconds anyway, and with a delay PM2 shows
 * "waiting restart" instead of "stopped" after one of the stop_exit_codes, although no restart follows.
 */
const WORKER_RESTART_DELAY = 10;

/** Milliseconds until the first restart of a server whose import takes 20 s anyway; PM2 raises it while starts fail. */
const SERVE_RESTART_DELAY = 1_000;

/**
 * The apps in the order in which PM2 starts them: embedded services, the preload process, the cluster, what adds workers to
 * it and takes them away, and the metrics server. With `--runtime uvicorn` one app replaces the preload process and the cluster.
 */
export function appsOf(plan: Plan): App[] {
  const services = (plan.embedded ?? []).map((service) => embeddedApp(service, plan));
  const metrics = plan.metricsPort === undefined ? [] : [metricsApp(plan, plan.metricsPort)];
  if (plan.runtime === 'uvicorn') return [...services, uvicornApp(plan), ...metrics];
  return [...services, preloadApp(plan), clusterApp(plan), ...scaleApp(plan), ...metrics];
}

/** Milliseconds that a service has for its last checkpoint: PM2's default sends a SIGKILL after 1.6 s. */
const SERVICE_KILL_TIMEOUT = 60_000;

/** Milliseconds: right after a SIGKILL, PostgreSQL may find its shared memory still in use. */
const SERVICE_RESTART_DELAY = 500;

/**
 * A launcher runs the service, and delays its stop until no worker needs it. PM2's treekill would send a signal to every
 * child of PostgreSQL, and its checkpointer panics on that (8 of 15 stops under load).
 */
export function embeddedApp(
  { name, program, args, cwd, account, schedule }: EmbeddedService,
  { places, drainSeconds }: Pick<Plan, 'places' | 'drainSeconds'>,
): App {
  if (schedule !== undefined) return scheduledApp(name, program, cwd, schedule);
  return {
    name,
    ...scriptAt(`${places.runtime}/${RUNTIME_FILES.hold}`),
    args: [
      ...['--name', name, '--folder', cwd, '--run-folder', folderOf(places.controlSocket)],
      ...['--seconds', drainSeconds + KILL_SECONDS],
      ...(account ? ['--account', account.user] : []),
      ...['--', program, ...args],
    ],
    interpreter: places.python,
    interpreter_args: ['-E', '-S'],
    exec_mode: 'fork',
    treekill: false,
    autorestart: true,
    kill_timeout: SERVICE_KILL_TIMEOUT,
    restart_delay: SERVICE_RESTART_DELAY,
    pmx: false,
    vizion: false,
  };
}

/** What PM2 starts again and again, and what ends by itself. */
function scheduledApp(name: string, program: string, cwd: string, schedule: string): App {
  const { cwd: folder, ...script } = scriptAt(program);
  return {
    name,
    ...script,
    cwd: folder ?? cwd,
    exec_mode: 'fork',
    autorestart: false,
    cron_restart: schedule,
    pmx: false,
    vizion: false,
  };
}

/** When PM2 looks whether a backup is due: one that found the installation busy is tried again then. */
const BACKUP_LOOKS = '*/5 * * * *';

/**
 * What begins the backups: an app beside those of the plan, so that another schedule restarts no worker. `environment`: what
 * the backup has to know.
 */
export function backupApp(runtime: string, environment: Readonly<Record<string, string>>): App {
  const app = scheduledApp(APPS.backup, `${runtime}/${RUNTIME_FILES.backup}`, runtime, BACKUP_LOOKS);
  return { ...app, env: environment };
}

function preloadApp(plan: Plan): App {
  const { places } = plan;
  return {
    name: APPS.preload,
    ...scriptAt(`${places.runtime}/${RUNTIME_FILES.preload}`),
    interpreter: places.python,
    exec_mode: 'fork',
    treekill: false,
    autorestart: true,
    min_uptime: PRELOAD_MIN_UPTIME,
    max_restarts: PRELOAD_MAX_RESTARTS,
    stop_exit_codes: [EXIT_CANNOT_BOOT],
    kill_timeout: PRELOAD_KILL_TIMEOUT,
    pmx: false,
    vizion: false,
    env: preloadEnvironment(plan),
  };
}

function clusterApp(plan: Plan): App {
  return {
    name: APPS.cluster,
    ...scriptAt(`${plan.places.runtime}/${RUNTIME_FILES.worker}`),
    exec_mode: 'cluster',
    instances: plan.leastWorkers ?? plan.workers,
    // PM2 gives each instance that it adds a new number, and never cleans its log up.
    ...(plan.leastWorkers !== undefined && { merge_logs: true }),
    treekill: false,
    wait_ready: true,
    listen_timeout: READY_SECONDS * 1000,
    kill_timeout: (plan.drainSeconds + KILL_SECONDS) * 1000,
    autorestart: true,
    exp_backoff_restart_delay: WORKER_RESTART_DELAY,
    stop_exit_codes: [EXIT_CANNOT_BOOT, EXIT_STOPPED_EARLY],
    pmx: false,
    vizion: false,
    env: {
      [ENV.controlSocket]: plan.places.controlSocket,
      [ENV.drainSeconds]: String(plan.drainSeconds),
      [ENV.memoryLimit]: String(workerLimitMib(plan)),
      [ENV.hangSeconds]: String(plan.hangSeconds),
    },
  };
}

/** PM2 sees a single process, which it can only stop and start (plan/runtime.ts). */
function uvicornApp(plan: Plan): App {
  const { places } = plan;
  return {
    name: APPS.cluster,
    ...scriptAt(`${places.runtime}/${RUNTIME_FILES.serve}`),
    interpreter: places.python,
    exec_mode: 'fork',
    autorestart: true,
    min_uptime: PRELOAD_MIN_UPTIME,
    max_restarts: PRELOAD_MAX_RESTARTS,
    exp_backoff_restart_delay: SERVE_RESTART_DELAY,
    stop_exit_codes: [EXIT_CANNOT_BOOT],
    kill_timeout: (plan.drainSeconds + KILL_SECONDS) * 1000,
    pmx: false,
    vizion: false,
    env: { ...preloadEnvironment(plan), [ENV.uvicornWorkers]: String(plan.workers) },
  };
}

/** None where the number of workers is fixed. */
function scaleApp(plan: Plan): App[] {
  const { places, leastWorkers, workers, memory, port } = plan;
  if (leastWorkers === undefined) return [];
  return [
    {
      name: APPS.scale,
      ...scriptAt(`${places.runtime}/${RUNTIME_FILES.scale}`),
      exec_mode: 'fork',
      autorestart: true,
      stop_exit_codes: [EXIT_CANNOT_BOOT],
      pmx: false,
      vizion: false,
      env: {
        [ENV.controlSocket]: places.controlSocket,
        [ENV.port]: String(port),
        [ENV.leastWorkers]: String(leastWorkers),
        [ENV.mostWorkers]: String(workers),
        [ENV.workerMemory]: String(toMib(memory.worker + memory.growth)),
      },
    },
  ];
}

function metricsApp({ places }: Plan, port: number): App {
  return {
    name: APPS.metrics,
    ...scriptAt(`${places.runtime}/${RUNTIME_FILES.metrics}`),
    exec_mode: 'fork',
    autorestart: true,
    stop_exit_codes: [EXIT_CANNOT_BOOT],
    pmx: false,
    vizion: false,
    env: { [ENV.controlSocket]: places.controlSocket, [ENV.metricsPort]: String(port) },
  };
}

function preloadEnvironment(plan: Plan): Record<string, string> {
  const { places, settings } = plan;
  const rendered = settings.filter((setting) => setting.rendered && !setting.secret);
  // A later line in the env file may still change these.
  const computed = rendered.filter(({ source }) => source === 'computed' || source === 'preset');
  const { host, port, preload, envFile, ...others } = variablesOf(plan);
  const variables = [
    host,
    port,
    [ENV.controlSocket, places.controlSocket] as const,
    preload,
    envFile,
    [ENV.secretsFile, places.secretsFile] as const,
    ...Object.values(others),
    ...documentsEnvironment(plan),
    ...plannedFigures(plan),
    [ENV.computed, computed.map(({ key }) => key).join(',')] as const,
    ...rendered.map(({ key, value }) => [key, value ?? ''] as const),
  ];
  return Object.fromEntries<string>(variables.filter((variable) => variable !== undefined));
}

function documentsEnvironment({ documents: { atOnce, memoryLimit } }: Plan): [string, string][] {
  if (atOnce === 0) return [];
  return [
    [ENV.documents, String(atOnce)],
    [ENV.documentMemory, String(toMib(memoryLimit))],
  ];
}

/** The planned figures, beside which the tree saves its real ones; the doctor compares the two (tune/measurements/observed.ts). */
function plannedFigures({ memory, machine, preset }: Plan): [string, string][] {
  const { conditions, embedsLocally, base, worker, supervisor } = memory;
  if (conditions === undefined) return [];
  const { architecture } = machine;
  const planned = { preset, settings: conditions, embedsLocally, architecture, base, worker, supervisor };
  return [[ENV.planned, JSON.stringify(planned)]];
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

/**
 * PM2 runs a script with a space in its path as a shell command (pm2/lib/Common.js, verifyConfs); the path relative to its
 * folder has no space.
 */
function scriptAt(path: string): { script: string; cwd?: string } {
  if (!path.includes(' ')) return { script: path };
  const folder = folderOf(path);
  return { script: `.${path.slice(folder.length)}`, cwd: folder };
}
