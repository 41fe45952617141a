/** The real PM2, with a home of its own, and with nothing of this process's environment. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Scope } from '../../src/base/io/scope.ts';
import { killAll, onEmergency, signal, untilGone } from '../../src/base/io/started.ts';
import {
  type ProcessInfo,
  processesWithEnvironment,
  processTree,
  readProcess,
} from '../../src/base/machine/process-table.ts';
import { logTailOf } from '../../src/bench/contest/pm2.ts';
import { ROOT } from './environment.ts';
import { PATIENCE_MS } from './patience.ts';
import { askDaemon } from './pm2-daemon.ts';

const PROGRAM = join(ROOT, 'node_modules', 'pm2', 'bin', 'pm2');
const COMMAND_TIMEOUT_MS = 300_000;
const LOG_TAIL_LINES = 20;

/** Those whose scope is open. */
const running = new Set<Pm2>();

/** What the apps of every PM2 that runs have logged last. */
export const lastLogged = () => [...running].map((pm2) => pm2.logTail()).join('\n');

const isRunning = (pid: number) => readProcess(pid) !== undefined;

/** The fields of `pm2 jlist` that are used here. */
export interface Pm2Process {
  name: string;
  pid: number;
  pm_id: number;
  monit: { memory: number; cpu: number };
  pm2_env: {
    status: string;
    restart_time: number;
    pm_out_log_path: string;
    pm_err_log_path: string;
    exec_mode: string;
    axm_monitor: Record<string, { value: unknown }>;
    axm_options: Record<string, unknown>;
    [name: string]: unknown;
  };
}

export class Pm2 {
  readonly home: string;
  readonly #env: Record<string, string>;
  readonly #cwd: string;

  /** `environment`: what it has of variables beside its own; all that it starts has them too. */
  constructor(
    scope: Scope,
    {
      home,
      userHome,
      cwd,
      environment = {},
    }: { home: string; userHome: string; cwd: string; environment?: Record<string, string> },
  ) {
    this.home = home;
    this.#cwd = cwd;
    this.#env = {
      ...environment,
      PATH: process.env.PATH ?? '',
      HOME: userHome,
      PM2_HOME: home,
      LANG: 'C.UTF-8',
    };
    const cancel = onEmergency(() => {
      for (const id of this.processes()) signal(id, 'SIGKILL');
    });
    running.add(this);
    scope.defer(`PM2 in ${home}`, async () => {
      running.delete(this);
      if (this.processes().length > 0) await this.run('kill');
      await killAll(this.processes());
      cancel();
    });
  }

  /** Runs a PM2 command and returns what it printed; a failure is an error that holds it. */
  async run(...args: string[]): Promise<string> {
    const { all } = await execa(process.execPath, [PROGRAM, ...args], {
      cwd: this.#cwd,
      env: this.#env,
      extendEnv: false,
      all: true,
      stdin: 'ignore',
      timeout: COMMAND_TIMEOUT_MS,
    });
    return all;
  }

  start = (...args: string[]) => this.run('start', ...args);
  reload = (name: string, ...args: string[]) => this.run('reload', name, ...args);
  restart = (name: string) => this.run('restart', name);
  stop = (name: string) => this.run('stop', name);
  delete = (name: string) => this.run('delete', name);
  scale = (name: string, change: string) => this.run('scale', name, change);
  describe = (name: string) => this.run('describe', name);

  /** Ends the daemon, too: PM2's command returns while it is still on its way out. */
  async kill(): Promise<void> {
    const daemon = readProcess(this.daemonPid ?? 0);
    await this.run('kill');
    if (daemon) await untilGone([daemon], PATIENCE_MS);
  }

  /** As `pm2 jlist` has it; like that, it starts the daemon where there is none. */
  async list(): Promise<Pm2Process[]> {
    if (this.daemonPid === undefined || !isRunning(this.daemonPid)) await this.run('ping');
    return (await askDaemon(this.home)) as Pm2Process[];
  }

  /**
   * How often instances of the app have come online (with `wait_ready`: said that they are ready), from PM2's own
   * log. Unlike a command of the CLI, a look at it takes no time worth mentioning.
   */
  timesOnline(name: string): number {
    const log = readFileSync(join(this.home, 'pm2.log'), 'utf8');
    return log.split('\n').filter((line) => line.includes(` App [${name}:`) && line.endsWith('] online'))
      .length;
  }

  /** What it and its apps have logged last. */
  logTail = () => logTailOf(this.home, LOG_TAIL_LINES);

  get daemonPid(): number | undefined {
    try {
      return Number(readFileSync(join(this.home, 'pm2.pid'), 'utf8'));
    } catch {
      return undefined;
    }
  }

  /** Everything that this PM2 started, the daemon included: by descent, and by the PM2_HOME that is inherited. */
  processes(): ProcessInfo[] {
    const byPid = new Map<number, ProcessInfo>();
    const { daemonPid } = this;
    if (daemonPid !== undefined) for (const info of processTree(daemonPid)) byPid.set(info.pid, info);
    for (const info of processesWithEnvironment('PM2_HOME', this.home)) byPid.set(info.pid, info);
    return [...byPid.values()];
  }
}
