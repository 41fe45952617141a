/** Open WebUI as it is run without this package. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { staticCache } from '../../base/io/folders.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import type { Scope } from '../../base/io/scope.ts';
import { logTail, type StartedProcess, startProcess } from '../../base/io/started.ts';
import { commandLine, isAlive, type ProcessInfo, processTree } from '../../base/machine/process-table.ts';
import type { Place } from './place.ts';
import { startPm2 } from './pm2.ts';
import type { Server } from './server.ts';
import type { Stage } from './stage.ts';

const HOST = '127.0.0.1';

/** What somebody sets who wants several workers and has read Open WebUI's documentation. */
function environment({ settings, env }: Stage, { folder, databaseUrl }: Place): Record<string, string> {
  const redis = settings.REDIS_URL ?? '';
  return {
    ...env,
    HOME: folder,
    ...settings,
    DATABASE_URL: databaseUrl,
    DATA_DIR: join(folder, 'data'),
    STATIC_DIR: join(folder, 'static'),
    WEBSOCKET_MANAGER: 'redis',
    WEBSOCKET_REDIS_URL: redis,
    // Where pip has installed it, its page is looked for elsewhere without this; `open-webui serve` sets it itself.
    FROM_INIT_PY: 'true',
  };
}

/** The parent runs uvicorn by name and its workers through multiprocessing, which has a helper of its own too. */
function spawned(root: number): ProcessInfo[] {
  return processTree(root).filter(({ pid }) => commandLine(pid).some((word) => word.includes('spawn_main')));
}

interface Started {
  place: Place;
  start: () => Promise<StartedProcess>;
  /** The processes that serve, by the first one's pid. */
  workers: (root: number) => ProcessInfo[];
}

/** One program that is the parent of its workers, or the only one of them. */
async function serverOf({ place, start, workers }: Started): Promise<Server> {
  const begun = performance.now();
  let current = await start();
  const restart = async () => {
    await current.stop();
    current = await start();
  };
  const hangUp = async () => {
    process.kill(current.pid, 'SIGHUP');
  };
  const isSupervised = place.workers > 1;
  return {
    begun,
    url: `http://${HOST}:${place.port}`,
    port: place.port,
    workers: () => (isAlive(current) ? workers(current.pid) : []),
    processes: () => processTree(current.pid),
    // Alone, it knows no reload.
    reload: isSupervised ? { how: 'kill -HUP', run: hangUp } : { how: RESTART, run: restart },
    restart: { how: RESTART, run: restart },
    isSupervised,
    logTail: () => logTail(current.log),
  };
}

const RESTART = 'stop and start';

/** `open-webui serve`, with UVICORN_WORKERS where there are several. */
export function startOpenWebui(scope: Scope, stage: Stage, place: Place): Promise<Server> {
  const { workers, folder, port } = place;
  const env = { ...environment(stage, place), UVICORN_WORKERS: `${workers}` };
  const args = [join(dirname(stage.python), 'open-webui'), 'serve', '--host', HOST, '--port', `${port}`];
  return serverOf({
    place,
    start: () =>
      startProcess(scope, stage.python, args, { log: join(folder, 'log'), cwd: folder, env, detached: true }),
    workers: workers > 1 ? spawned : (root) => processTree(root).slice(0, 1),
  });
}

/**
 * uvicorn itself takes the number of workers from WEB_CONCURRENCY (uvicorn/config.py). `further` are options of its own.
 */
export function startUvicorn(
  scope: Scope,
  stage: Stage,
  place: Place,
  further: readonly string[] = [],
): Promise<Server> {
  const { workers, folder, port } = place;
  const args = ['-m', 'uvicorn', 'open_webui.main:app', '--host', HOST, '--port', `${port}`, ...further];
  const env = { ...environment(stage, place), WEB_CONCURRENCY: `${workers}` };
  return serverOf({
    place,
    start: () =>
      startProcess(scope, stage.python, args, { log: join(folder, 'log'), cwd: folder, env, detached: true }),
    workers: spawned,
  });
}

/** Seconds in which a worker has to be there: gunicorn's 30 are less than two of them need to import on a slow machine. */
const GUNICORN_TIMEOUT = '120';

export async function startGunicorn(
  scope: Scope,
  stage: Stage,
  place: Place,
  { preload }: { preload: boolean },
): Promise<Server> {
  const { workers, folder, port } = place;
  const packages = await gunicornPackages(stage);
  const args = [
    ...[
      '-m',
      'gunicorn',
      '--bind',
      `${HOST}:${port}`,
      '--workers',
      `${workers}`,
      '--timeout',
      GUNICORN_TIMEOUT,
    ],
    ...['--worker-class', 'uvicorn_worker.UvicornWorker'],
    ...(preload ? ['--preload'] : []),
    'open_webui.main:app',
  ];
  const env = { ...environment(stage, place), ...(packages && { PYTHONPATH: packages }) };
  return serverOf({
    place,
    start: () =>
      startProcess(scope, stage.python, args, { log: join(folder, 'log'), cwd: folder, env, detached: true }),
    workers: (root) => processTree(root).filter(({ pid, ppid }) => ppid === root && !isHelper(pid)),
  });
}

/** Of Python's multiprocessing: it counts what is shared, and serves nothing. */
function isHelper(pid: number): boolean {
  return commandLine(pid).some((word) => word.includes('resource_tracker'));
}

/** Those that were tried; the first has no dependency that Open WebUI does not bring. */
const GUNICORN = ['gunicorn==27.0.1', 'uvicorn-worker==0.4.0'];

/** Folder that has gunicorn, for PYTHONPATH; undefined: Open WebUI's own environment has it. Throws where pip fails. */
async function gunicornPackages({ python, env }: Stage): Promise<string | undefined> {
  const question = 'import gunicorn, uvicorn_worker';
  if ((await runProgram(python, ['-c', question], { env })).code === 0) return undefined;
  // Beside the page's compressed files: what can be made again at any time.
  const folder = join(dirname(staticCache(process.env)), GUNICORN.join('+').replaceAll('==', '-'));
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${randomBytes(4).toString('hex')}`;
  mkdirSync(dirname(folder), { recursive: true });
  const args = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', unfinished, ...GUNICORN];
  const { code, output } = await runProgram(python, args, { env: process.env });
  if (code !== 0) {
    rmSync(unfinished, { recursive: true, force: true });
    throw new Error(`pip did not install ${GUNICORN.join(' and ')}:\n${tailOf(output, 3)}`);
  }
  renameSync(unfinished, folder);
  return folder;
}

/** PM2's way for a program that is not Node's: fork mode. Its `reload` is a restart then. */
export async function startPm2Fork(scope: Scope, stage: Stage, place: Place): Promise<Server> {
  const { workers, folder, port } = place;
  const pm2 = startPm2(scope, stage, folder, environment(stage, place));
  const app = {
    name: 'open-webui',
    script: join(dirname(stage.python), 'open-webui'),
    interpreter: stage.python,
    args: ['serve', '--host', HOST, '--port', `${port}`],
    exec_mode: 'fork',
    cwd: folder,
    env: { UVICORN_WORKERS: `${workers}` },
  };
  const begun = performance.now();
  await pm2.start([app]);
  return {
    begun,
    url: `http://${HOST}:${port}`,
    port,
    workers: () => spawned(pm2.daemonPid()),
    processes: pm2.processes,
    reload: { how: 'pm2 reload, which restarts in fork mode', run: () => pm2.run('reload', 'open-webui') },
    restart: { how: 'pm2 restart', run: () => pm2.run('restart', 'open-webui') },
    isSupervised: true,
    logTail: pm2.logTail,
  };
}
