/** Open WebUI as PM2 would run it, without PM2: a preload process, and supervisors with a worker each. */

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { LOOPBACK } from '../../base/io/address.ts';
import type { Environment } from '../../base/io/environment.ts';
import { freePort } from '../../base/io/port.ts';
import { Scope } from '../../base/io/scope.ts';
import { logTail, type StartedProcess, startProcess, untilGone } from '../../base/io/started.ts';
import { until } from '../../base/io/wait.ts';
import {
  isAlive,
  type ProcessId,
  type ProcessInfo,
  processTree,
  readProcess,
} from '../../base/machine/process-table.ts';
import { CLOCK_TICKS } from '../../base/machine/usage.ts';
import type { Plan, PreloadLevel } from '../../plan/types.ts';
import { appsOf } from '../../render/apps.ts';
import { APPS, ENV, READY_SECONDS, RUNTIME_FILES } from '../../runtime/contract.ts';
import type { ScratchFolder } from '../scratch/folder.ts';

/**
 * An import with migrations took 91 s at a load average of 13; with nothing preloaded there are two, one after the
 * other.
 */
const START_TIMEOUT_MS = READY_SECONDS * 1000;
const POLL_MS = 10;

/** What a supervisor has said to its process manager (runtime/host-pm2.ts), which we are. */
interface Supervisor extends ProcessId {
  log: string;
  /** Its Python worker. */
  workerPid?: number;
  level?: string;
  /** When it was ready: milliseconds since the machine has started. */
  readyAtMs?: number;
}

export interface TrialCluster {
  url: string;
  port: number;
  /** What the preload process shares, in the plan's words. */
  level: PreloadLevel;
  /** Milliseconds from the start of the first process until all workers served. */
  bootMs: number;
  /** Milliseconds from each worker's fork until it served. */
  forkMs: number[];
  preload: ProcessInfo;
  supervisors: ProcessInfo[];
  workers: ProcessInfo[];
  /** All of them. */
  processes(): ProcessInfo[];
  stop(): Promise<void>;
}

export interface TrialOptions {
  /** With the number of workers that is to be started. */
  plan: Plan;
  /** Takes the place of the plan's settings. */
  settings: Readonly<Record<string, string>>;
  folder: ScratchFolder;
  /** As PM2 would hand it over: the user's. */
  env: Environment;
}

/** Starts it, and waits until every worker serves. An error holds the end of the log of whoever failed. */
export async function startTrial(outer: Scope, options: TrialOptions): Promise<TrialCluster> {
  const { plan, folder } = options;
  const scope = new Scope();
  outer.defer('the trial', () => scope.close());
  const port = await freePort(LOOPBACK, 0);
  const run = join(folder.path, 'run');
  mkdirSync(run, { recursive: true, mode: 0o700 });
  const inScratch: Plan = {
    ...plan,
    host: LOOPBACK,
    port,
    embedded: [],
    places: {
      ...plan.places,
      dataDir: options.settings.DATA_DIR ?? folder.path,
      controlSocket: join(run, 'control.sock'),
      secretsFile: join(folder.path, 'secrets'),
    },
  };
  const begun = performance.now();
  const preload = await startPreload(scope, inScratch, options);
  const supervisors = await Promise.all(
    Array.from({ length: plan.workers }, (_, index) => startSupervisor(scope, inScratch, options, index)),
  );
  const ended = () => [preload, ...supervisors].find((process) => !isAlive(process));
  await until(() => ended() ?? supervisors.every(isServing), {
    what: `${plan.workers} workers of Open WebUI serve\n${logTail(preload.log)}`,
    timeoutMs: START_TIMEOUT_MS,
    intervalMs: POLL_MS,
  });
  const dead = ended();
  if (dead) throw new TuneError(`Open WebUI does not start:\n${logTail(dead.log)}`, EXIT.service);
  const bootMs = performance.now() - begun;
  const workers = supervisors.map(({ workerPid = 0 }) => requireProcess(workerPid));
  return {
    url: `http://${LOOPBACK}:${port}`,
    port,
    level: levelOf(supervisors[0]?.level ?? ''),
    bootMs,
    forkMs: supervisors.map(
      ({ readyAtMs = 0 }, index) => readyAtMs - (Number(workers[index]?.startTime) * 1000) / CLOCK_TICKS,
    ),
    preload: requireProcess(preload.pid),
    supervisors: supervisors.map(({ pid }) => requireProcess(pid)),
    workers,
    processes: () => [
      ...processTree(preload.pid),
      ...supervisors.flatMap(({ pid }) => readProcess(pid) ?? []),
    ],
    stop: async () => {
      await scope.close();
      await untilGone(workers, START_TIMEOUT_MS);
    },
  };
}

function startPreload(
  scope: Scope,
  plan: Plan,
  { settings, folder, env }: TrialOptions,
): Promise<StartedProcess> {
  const rendered = environmentOf(plan, APPS.preload);
  const computed = (rendered[ENV.computed] ?? '').split(',').filter((name) => !Object.hasOwn(settings, name));
  return startProcess(scope, plan.places.python, [join(plan.places.runtime, RUNTIME_FILES.preload)], {
    detached: true,
    log: join(folder.path, 'preload.log'),
    cwd: folder.path,
    env: {
      ...usersEnvironment(env),
      ...rendered,
      ...settings,
      [ENV.computed]: computed.join(','),
      ...folder.env,
    },
  });
}

async function startSupervisor(
  scope: Scope,
  plan: Plan,
  { folder, env }: TrialOptions,
  index: number,
): Promise<Supervisor> {
  const supervisor: Partial<Supervisor> & { log: string } = {
    log: join(folder.path, `supervisor-${index}.log`),
  };
  const started = await startProcess(
    scope,
    process.execPath,
    [join(plan.places.runtime, RUNTIME_FILES.worker)],
    {
      detached: true,
      endSignal: 'SIGINT',
      log: supervisor.log,
      cwd: folder.path,
      env: {
        ...usersEnvironment(env),
        ...environmentOf(plan, APPS.cluster),
        NODE_APP_INSTANCE: String(index),
        ...folder.env,
      },
      onMessage: (message) => hear(supervisor, message),
    },
  );
  return Object.assign(supervisor, { pid: started.pid, startTime: started.startTime });
}

function hear(supervisor: Partial<Supervisor>, message: unknown): void {
  if (message === 'ready') {
    supervisor.readyAtMs = sinceBootMs();
    return;
  }
  const { type, data } = message as { type?: string; data?: Record<string, { value?: string } | number> };
  if (type === 'axm:option:configuration' && typeof data?.pid === 'number') supervisor.workerPid = data.pid;
  const level = data?.['Preload level'];
  if (type === 'axm:monitor' && typeof level === 'object') supervisor.level = level.value ?? '';
}

function isServing({ readyAtMs, workerPid, level }: Supervisor): boolean {
  return readyAtMs !== undefined && workerPid !== undefined && level !== undefined;
}

/** The level as a plan calls it (preload/webui_preload/sharing/levels.py). */
function levelOf(level: string): PreloadLevel {
  const names: Readonly<Record<string, PreloadLevel>> = {
    app: 'full',
    lean: 'lean',
    libraries: 'libraries',
    none: 'none',
  };
  const known = names[level];
  if (!known) throw new Error(`the preload process calls its level ${JSON.stringify(level)}`);
  return known;
}

/** Without what a process manager has left in it. */
function usersEnvironment(env: Environment): Record<string, string> {
  const ours =
    /^(?:PM2_|pm_|NODE_(?:CHANNEL|APP_INSTANCE|UNIQUE_ID)|NOTIFY_SOCKET$|WATCHDOG_|WEBUI_TUNE_|npm_)/;
  const kept = Object.entries(env).filter(([name, value]) => value !== undefined && !ours.test(name));
  // Everything that it asks is on this machine, whatever proxy is set.
  const direct = [env.NO_PROXY ?? env.no_proxy, LOOPBACK].filter(Boolean).join(',');
  return { ...(Object.fromEntries(kept) as Record<string, string>), NO_PROXY: direct, no_proxy: direct };
}

function environmentOf(plan: Plan, name: string): Readonly<Record<string, string>> {
  const app = appsOf(plan).find((one) => one.name === name);
  return (app?.env ?? {}) as Readonly<Record<string, string>>;
}

function requireProcess(pid: number): ProcessInfo {
  const found = readProcess(pid);
  if (!found) throw new TuneError(`process ${pid} of Open WebUI ended while it was measured`, EXIT.service);
  return found;
}

function sinceBootMs(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
}
