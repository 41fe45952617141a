/** Open WebUI as it is run without this package. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { staticCache } from '../../base/io/folders.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import type { Scope } from '../../base/io/scope.ts';
import { logTail, type StartedProcess, startProcess } from '../../base/io/started.ts';
import { commandLine, isAlive, type ProcessInfo, processTree } from '../../base/machine/process-table.ts';
import type { LifeInput } from './life-input.ts';
import { startPm2 } from './pm2.ts';
import type { Server } from './server.ts';
import type { Stage } from './stage.ts';

const HOST = '127.0.0.1';

/** The settings of somebody who wants several workers and has read Open WebUI's documentation. */
function environment({ settings, env }: Stage, { folder, databaseUrl }: LifeInput): Record<string, string> {
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
    // Without this, Open WebUI looks for its page in the wrong folder when pip installed it. `open-webui serve` sets it
    // itself.
    FROM_INIT_PY: 'true',
  };
}

/**
 * Whether it is a worker of uvicorn: the parent runs uvicorn by name and its workers through multiprocessing, which has a
 * helper of its own too.
 */
export function isUvicornWorker({ pid }: Pick<ProcessInfo, 'pid'>): boolean {
  return commandLine(pid).some((word) => word.includes('spawn_main'));
}

const spawned = (root: number) => processTree(root).filter(isUvicornWorker);

interface Started {
  input: LifeInput;
  start: () => Promise<StartedProcess>;
  /** The processes that serve, by the first one's pid. */
  workers: (root: number) => ProcessInfo[];
}

/** One program that is the parent of its workers, or the only one of them. */
async function serverOf({ input, start, workers }: Started): Promise<Server> {
  const begun = performance.now();
  let current = await start();
  const restart = async () => {
    await current.stop();
    current = await start();
  };
  const hangUp = async () => {
    process.kill(current.pid, 'SIGHUP');
  };
  const isSupervised = input.workers > 1;
  return {
    begun,
    url: `http://${HOST}:${input.port}`,
    port: input.port,
    workers: () => (isAlive(current) ? workers(current.pid) : []),
    processes: () => processTree(current.pid),
    // A single process has no reload.
    reload: isSupervised ? { how: 'kill -HUP', run: hangUp } : { how: RESTART, run: restart },
    restart: { how: RESTART, run: restart },
    isSupervised,
    logTail: () => logTail(current.log),
  };
}

const RESTART = 'stop and start';

/** `open-webui serve`, with UVICORN_WORKERS where there are several. */
export function startOpenWebui(scope: Scope, stage: Stage, input: LifeInput): Promise<Server> {
  const { workers, folder, port } = input;
  const env = { ...environment(stage, input), UVICORN_WORKERS: `${workers}` };
  const args = [join(dirname(stage.python), 'open-webui'), 'serve', '--host', HOST, '--port', `${port}`];
  return serverOf({
    input,
    start: () =>
      startProcess(scope, stage.python, args, { log: join(folder, 'log'), cwd: folder, env, detached: true }),
    workers: workers > 1 ? spawned : (root) => processTree(root).slice(0, 1),
  });
}

/**
 * uvicorn itself takes the number of workers from WEB_CONCURRENCY (uvicorn/config.py). `further` are options of its
 * own.
 */
export function startUvicorn(
  scope: Scope,
  stage: Stage,
  input: LifeInput,
  further: readonly string[] = [],
): Promise<Server> {
  const { workers, folder, port } = input;
  const args = ['-m', 'uvicorn', 'open_webui.main:app', '--host', HOST, '--port', `${port}`, ...further];
  const env = { ...environment(stage, input), WEB_CONCURRENCY: `${workers}` };
  return serverOf({
    input,
    start: () =>
      startProcess(scope, stage.python, args, { log: join(folder, 'log'), cwd: folder, env, detached: true }),
    workers: spawned,
  });
}

/**
 * Seconds until a worker must be ready. gunicorn's default, 30, is less than two workers need to import on a slow
 * machine.
 */
const GUNICORN_TIMEOUT = '120';

export async function startGunicorn(
  scope: Scope,
  stage: Stage,
  input: LifeInput,
  { preload }: { preload: boolean },
): Promise<Server> {
  const { workers, folder, port } = input;
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
  const env = { ...environment(stage, input), ...(packages && { PYTHONPATH: packages }) };
  return serverOf({
    input,
    start: () =>
      startProcess(scope, stage.python, args, { log: join(folder, 'log'), cwd: folder, env, detached: true }),
    workers: (root) => processTree(root).filter(({ pid, ppid }) => ppid === root && !isHelper(pid)),
  });
}

/** Of Python's multiprocessing: it counts what is shared, and serves nothing. */
function isHelper(pid: number): boolean {
  return commandLine(pid).some((word) => word.includes('resource_tracker'));
}

/** The versions that were tried. The first has no dependency beyond what Open WebUI brings. */
const GUNICORN = ['gunicorn==27.0.1', 'uvicorn-worker==0.4.0'];

/** Folder that has gunicorn, for PYTHONPATH; undefined: Open WebUI's own environment has it. Throws where pip fails. */
async function gunicornPackages({ python, env }: Stage): Promise<string | undefined> {
  const question = 'import gunicorn, uvicorn_worker';
  if ((await runProgram(python, ['-c', question], { env })).code === 0) return undefined;
  // Beside the page's compressed files, which can also be made again at any time.
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
export async function startPm2Fork(scope: Scope, stage: Stage, input: LifeInput): Promise<Server> {
  const { workers, folder, port } = input;
  const pm2 = startPm2(scope, stage, folder, environment(stage, input));
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
