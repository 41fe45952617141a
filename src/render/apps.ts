import type { EmbeddedService } from '../facts/types.ts';
import { workerLimitMib } from '../plan/index.ts';
import type { Plan } from '../plan/types.ts';
import { APPS, ENV, EXIT_CANNOT_BOOT, READY_SECONDS, RUNTIME_FILES } from '../runtime/contract.ts';

export type AppValue =
  | string
  | number
  | boolean
  | readonly (string | number)[]
  | Readonly<Record<string, string>>;

/** An app of PM2, in the words of its configuration file. */
export type App = Readonly<Record<string, AppValue>>;

/** Milliseconds that a supervisor and its worker get for leaving once the drain time is over. */
const KILL_MARGIN = 15_000;

/** Milliseconds that the preload process gets to leave: it serves nobody, but a migration may be under way. */
const PRELOAD_KILL_TIMEOUT = 30_000;

/**
 * Milliseconds of uptime below which a death counts as unstable, and how many of those in a row end the retries
 * (pm2/lib/God.js, handleExit): an import that fails at its end takes some 20 s.
 */
const PRELOAD_MIN_UPTIME = 60_000;
const PRELOAD_MAX_RESTARTS = 10;

/**
 * Milliseconds until the first restart; PM2 multiplies by 1.5 each time, up to 15 s (pm2/lib/God.js, handleExit), and
 * starts anew where an instance has lived for 30 s (lib/Worker.js). A worker that dies young is missed for all of it: with
 * 100, the tenth within a minute for 4 s. A start that fails takes half a second by itself; the 19th waits for 15 s. The
 * preload process has none: an attempt takes it seconds in any case, and with a delay PM2 shows "waiting restart"
 * instead of "stopped" after one of the stop_exit_codes, for a restart that never comes.
 */
const WORKER_RESTART_DELAY = 10;

/** Launcher of Open WebUI's own server, in the runtime folder, and the variable that tells it how many workers. */
const SERVE = 'preload/serve.py';
const SERVE_WORKERS = 'WEBUI_TUNE_UVICORN_WORKERS';

/** Milliseconds until the first restart of a server that imports for 20 s anyway; PM2 raises it while starts fail. */
const SERVE_RESTART_DELAY = 1_000;

/**
 * The apps in the order in which PM2 starts them: embedded services, the preload process, the cluster, and what serves
 * metrics of it. With `--runtime uvicorn` the second and the third are one.
 */
export function appsOf(plan: Plan): App[] {
  const services = (plan.embedded ?? []).map(embeddedApp);
  const metrics = plan.metricsPort === undefined ? [] : [metricsApp(plan, plan.metricsPort)];
  if (plan.runtime === 'uvicorn') return [...services, uvicornApp(plan), ...metrics];
  return [...services, preloadApp(plan), clusterApp(plan), ...metrics];
}

/** Milliseconds that a service gets for its last checkpoint: PM2's own 1.6 s end in a SIGKILL. */
const SERVICE_KILL_TIMEOUT = 60_000;

/** Milliseconds: right after a SIGKILL, PostgreSQL may find its shared memory still in use. */
const SERVICE_RESTART_DELAY = 500;

/**
 * PM2's treekill would send a signal to every child of PostgreSQL, and its checkpointer panics on that (8 of 15 stops
 * under load).
 */
export function embeddedApp({ name, program, args, cwd, account, schedule }: EmbeddedService): App {
  const { cwd: folder, ...script } = scriptAt(program);
  if (schedule !== undefined) {
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
  return {
    name,
    ...script,
    args,
    cwd: folder ?? cwd,
    interpreter: 'none',
    exec_mode: 'fork',
    ...(account && { uid: account.user, gid: account.group }),
    treekill: false,
    autorestart: true,
    kill_timeout: SERVICE_KILL_TIMEOUT,
    restart_delay: SERVICE_RESTART_DELAY,
    pmx: false,
    vizion: false,
  };
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
    instances: plan.workers,
    treekill: false,
    wait_ready: true,
    listen_timeout: READY_SECONDS * 1000,
    kill_timeout: plan.drainSeconds * 1000 + KILL_MARGIN,
    autorestart: true,
    exp_backoff_restart_delay: WORKER_RESTART_DELAY,
    stop_exit_codes: [EXIT_CANNOT_BOOT],
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

/** PM2 knows one process of it: it can be stopped and started, and that is all (plan/runtime.ts). */
function uvicornApp(plan: Plan): App {
  const { places } = plan;
  return {
    name: APPS.cluster,
    ...scriptAt(`${places.runtime}/${SERVE}`),
    interpreter: places.python,
    exec_mode: 'fork',
    autorestart: true,
    min_uptime: PRELOAD_MIN_UPTIME,
    max_restarts: PRELOAD_MAX_RESTARTS,
    exp_backoff_restart_delay: SERVE_RESTART_DELAY,
    stop_exit_codes: [EXIT_CANNOT_BOOT],
    kill_timeout: plan.drainSeconds * 1000 + KILL_MARGIN,
    pmx: false,
    vizion: false,
    env: { ...preloadEnvironment(plan), [SERVE_WORKERS]: String(plan.workers) },
  };
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
  // Those that a later line in the env file may still change.
  const computed = rendered.filter(({ source }) => source === 'computed' || source === 'preset');
  return Object.fromEntries<string>([
    [ENV.host, plan.host],
    [ENV.port, String(plan.port)],
    [ENV.controlSocket, places.controlSocket],
    [ENV.preload, plan.preload],
    ...(places.envFile === undefined ? [] : [[ENV.envFile, places.envFile] as const]),
    [ENV.secretsFile, places.secretsFile],
    ...(plan.staticCache ? [[ENV.staticCache, places.staticCache] as const] : []),
    ...(plan.shortcuts ? [[ENV.shortcuts, 'true'] as const] : []),
    ...plannedFigures(plan),
    [ENV.computed, computed.map(({ key }) => key).join(',')],
    ...rendered.map(({ key, value }) => [key, value ?? ''] as const),
  ]);
}

/** What the tree is to keep its real figures with; the doctor compares them with these (tune/measurements/observed.ts, Planned). */
function plannedFigures({ memory, machine, preset }: Plan): [string, string][] {
  const { conditions, embedsLocally, base, worker, supervisor } = memory;
  if (conditions === undefined) return [];
  const { architecture } = machine;
  const planned = { preset, settings: conditions, embedsLocally, architecture, base, worker, supervisor };
  return [[ENV.planned, JSON.stringify(planned)]];
}

/**
 * PM2 takes a script with a space in its path for a shell command (pm2/lib/Common.js, verifyConfs); relative to its
 * folder, it has none.
 */
function scriptAt(path: string): { script: string; cwd?: string } {
  if (!path.includes(' ')) return { script: path };
  const slash = path.lastIndexOf('/');
  return { script: `.${path.slice(slash)}`, cwd: path.slice(0, slash) };
}
