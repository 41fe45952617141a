import { join } from 'node:path';
import { z } from 'zod';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { textOf } from '../../base/io/read.ts';
import { type RunResult, runProgram, tailOf } from '../../base/io/run.ts';
import { signal } from '../../base/io/started.ts';
import { until } from '../../base/io/wait.ts';
import { readProcess } from '../../base/machine/process-table.ts';
import { processesIn } from '../../base/machine/processes.ts';

/** Milliseconds that its daemon gets to end. */
const DAEMON_TIMEOUT = 20_000;

/** Lines of PM2's output that an error shows. */
const TAIL_LINES = 15;

const Process = z.object({
  name: z.string(),
  pid: z.number().optional(),
  pm_id: z.number(),
  monit: z.object({ memory: z.number() }).optional(),
  // It has everything that the app was started with, including its environment.
  pm2_env: z.looseObject({
    status: z.string(),
    restart_time: z.number().default(0),
    pm_uptime: z.number().optional(),
    pm_out_log_path: z.string().optional(),
    pm_err_log_path: z.string().optional(),
    pm_exec_path: z.string().optional(),
    axm_monitor: z.record(z.string(), z.object({ value: z.unknown() })).default({}),
  }),
});

/** What `pm2 jlist` says of one process, as far as we read it. */
export type Pm2Process = z.infer<typeof Process>;

/** The only caller of PM2. `env` is what PM2, and with it every app, will have. */
export class Pm2 {
  readonly #program: string;
  readonly #env: Environment;
  readonly #cwd: string;
  readonly home: string;

  constructor(program: string, env: Environment, home: string) {
    this.#program = program;
    this.#env = env;
    this.#cwd = home;
    this.home = env.PM2_HOME || join(home, '.pm2');
  }

  /** Runs a command; what it printed. Throws TuneError with the end of that. */
  run(...args: string[]): Promise<string> {
    return this.runUntil(undefined, ...args);
  }

  /** The same, but `signal` ends the command. What PM2 has begun continues. */
  async runUntil(signal: AbortSignal | undefined, ...args: string[]): Promise<string> {
    const { code, output } = await this.#spawn(args, signal);
    if (code === 0) return output;
    throw new TuneError(`pm2 ${args.join(' ')} failed:\n${tailOf(output, TAIL_LINES)}`, EXIT.service);
  }

  /** Runs a command that may fail. */
  attempt(...args: string[]): Promise<RunResult> {
    return this.#spawn(args);
  }

  /**
   * Ends the commands with these words that a run of ours has left behind, which was killed: they would go on beside the
   * next.
   */
  endOthers(...words: string[]): void {
    for (const { pid, command } of processesIn('/', this.#cwd)) {
      const left = [this.#program, ...words].every((word) => command.includes(word)) && readProcess(pid);
      if (left) signal(left, 'SIGKILL');
    }
  }

  /** All that PM2 runs; nothing is started for the answer. */
  async list(): Promise<Pm2Process[]> {
    if (!this.isRunning()) return [];
    const output = await this.run('jlist');
    // PM2 may print something else first.
    const json = output.split('\n').find((line) => line.startsWith('[{') || line === '[]');
    const parsed = z.array(Process).safeParse(json === undefined ? undefined : JSON.parse(json));
    if (!parsed.success) throw new TuneError(`pm2 jlist does not answer with a list`, EXIT.service);
    return parsed.data;
  }

  /** Whether its daemon is there. */
  isRunning(): boolean {
    return this.#daemon() !== undefined;
  }

  /** Ends PM2's daemon and waits for its end: PM2's own command returns earlier. */
  async kill(): Promise<void> {
    const pid = this.#daemon();
    if (pid === undefined) return;
    await this.run('kill');
    await until(() => !isAlive(pid), { what: 'the end of PM2’s daemon', timeoutMs: DAEMON_TIMEOUT });
  }

  #daemon(): number | undefined {
    const pid = Number(textOf(join(this.home, 'pm2.pid')));
    return pid > 0 && isAlive(pid) ? pid : undefined;
  }

  #spawn(args: string[], signal?: AbortSignal): Promise<RunResult> {
    return runProgram(process.execPath, [this.#program, ...args], {
      env: this.#env,
      // Its daemon and every app keep this folder, which must not be whatever folder is current now.
      cwd: this.#cwd,
      signal,
    });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * The environment for PM2, which hands it to every app and keeps it on disk: without what npm adds for its own scripts,
 * and without the settings in `names`, which reach Open WebUI by their files.
 */
export function pm2Environment(env: Environment, names: Iterable<string>): Environment {
  const settings = new Set(names);
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !settings.has(name) && !/^npm_|^NODE_OPTIONS$|^INIT_CWD$/i.test(name),
    ),
  );
}
