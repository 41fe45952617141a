import { join } from 'node:path';
import { z } from 'zod';
import type { Environment } from '../../base/io/environment.ts';
import { findOnPath } from '../../base/io/path.ts';
import { namesIn, textOf } from '../../base/io/read.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { APPS } from '../../runtime/contract.ts';
import { findBootScript } from '../../setup/pm2/boot-script.ts';
import { Pm2, type Pm2Process } from '../../setup/pm2/client.ts';
import { findPm2 } from '../../setup/pm2/program.ts';

export interface Pm2Facts {
  home: string;
  /** Of the command; and in words where it comes from. */
  version: string;
  where: string;
  /** Of the daemon, where its log says; it lives on when the command is upgraded. */
  daemonVersion?: string;
  /** Undefined: its daemon does not run. */
  processes?: readonly Pm2Process[];
  /** What `pm2 save` has kept; undefined: nothing. */
  saved?: { path: string; names: readonly string[]; savedAt: number };
  /** Whether `ps` is there: PM2 finds the children of a process with it. */
  hasPs: boolean;
  /** Who keeps the logs short; undefined: nobody. */
  rotation?: LogRotation;
  /** Bytes of its logs. */
  logBytes: number;
  /** systemd's unit, or another system's script, that brings PM2 back after a boot; undefined: none for this user. */
  unit?: { path: string; text: string };
}

export interface LogRotation {
  /** Name of a PM2 app, or path of logrotate's file. */
  by: string;
  /** When PM2 starts it, in cron's words; undefined: it runs all the time, or the system starts it. */
  schedule?: string;
  /** Why it will not do its work; undefined: it will. */
  problem?: string;
}

const Dump = z.array(z.looseObject({ name: z.string() }));

const LOGROTATE = '/etc/logrotate.d';
const PM2_LOGROTATE = 'pm2-logrotate';

export async function readPm2(env: Environment, home: string): Promise<Pm2Facts> {
  const program = findPm2(env, home);
  const pm2 = new Pm2(program.path, env, home);
  const processes = pm2.isRunning() ? await pm2.list() : undefined;
  const daemonVersion = processes && daemonVersionIn(pm2.home);
  const saved = readSaved(join(pm2.home, 'dump.pm2'));
  const rotation = rotationOf(pm2.home, processes ?? []);
  const unit = findBootScript(pm2.home, home);
  return {
    home: pm2.home,
    version: program.version,
    where: program.where,
    ...(daemonVersion !== undefined && { daemonVersion }),
    ...(processes && { processes }),
    ...(saved && { saved }),
    hasPs: findOnPath('ps', env.PATH ?? '') !== undefined,
    ...(rotation !== undefined && { rotation }),
    logBytes: sizeOf(join(pm2.home, 'logs')),
    ...(unit?.isEnabled && { unit }),
  };
}

/** Its log begins each life of the daemon with a line such as `PM2 version : 7.0.4` (pm2/lib/Daemon.js). */
function daemonVersionIn(home: string): string | undefined {
  const lines = [...textOf(join(home, 'pm2.log')).matchAll(/PM2 version\s*:\s*(\S+)/g)];
  return lines.at(-1)?.[1];
}

function readSaved(path: string): Pm2Facts['saved'] {
  const savedAt = statOrUndefined(path)?.mtimeMs;
  if (savedAt === undefined) return undefined;
  const names = Dump.safeParse(parse(textOf(path))).data?.map(({ name }) => name) ?? [];
  return { path, names, savedAt };
}

/** The first that works; else one that does not. */
function rotationOf(home: string, processes: readonly Pm2Process[]): LogRotation | undefined {
  const logs = join(home, 'logs');
  const files = namesIn(LOGROTATE)
    .map((name) => join(LOGROTATE, name))
    .filter((path) => textOf(path).includes(logs));
  const all = [...processes.flatMap(appRotation), ...files.map((by): LogRotation => ({ by }))];
  return all.find(({ problem }) => problem === undefined) ?? all[0];
}

function appRotation({ name, pm2_env: { status, cron_restart: cron } }: Pm2Process): LogRotation[] {
  if (name === PM2_LOGROTATE) {
    return [{ by: name, ...(status !== 'online' && { problem: `it is ${status}` }) }];
  }
  if (name !== APPS.logrotate) return [];
  if (typeof cron !== 'string' || cron === '') return [{ by: name, problem: 'PM2 has no schedule for it' }];
  // It ends when it has done its work, and PM2 starts it again in time.
  const isWell = status === 'online' || status === 'stopped';
  return [{ by: name, schedule: cron, ...(!isWell && { problem: `it is ${status}` }) }];
}

function sizeOf(folder: string): number {
  return namesIn(folder).reduce((sum, name) => sum + (statOrUndefined(join(folder, name))?.size ?? 0), 0);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
