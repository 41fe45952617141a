/** What `webui-tune up` makes: in a home of its own, with nothing on PATH but Node and Python. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { environments } from '../../scripts/environments.mjs';
import type { Scope } from '../../src/base/io/scope.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { processesWith } from '../../src/base/machine/processes.ts';
import { APPS, RUNTIME_FILES } from '../../src/runtime/contract.ts';
import { Journal } from '../../src/setup/journal/journal.ts';
import { workerOf } from './cluster.ts';
import { CLI, openWebuiEnvironment } from './environment.ts';
import { Pm2, type Pm2Process } from './pm2.ts';
import { freePort } from './ports.ts';

/** What pip needs where packages do not come from PyPI itself. */
const PIP_VARIABLES = /^PIP_|^SSL_CERT|_proxy$/i;
/** Whether Open WebUI itself is installed from pip too, which takes minutes: `npm run test:install`. */
export const WITH_PIP = process.env.WEBUI_TUNE_TEST_PIP !== undefined;
const COMMAND_TIMEOUT_MS = WITH_PIP ? 1_500_000 : 300_000;

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
  /** Milliseconds. */
  took: number;
}

export interface InstallationOptions {
  /** What every command is run by: the words before it. */
  through?: readonly string[];
  /** Further variables of every command; an empty one is as good as none. */
  env?: Record<string, string>;
  /** The interpreter that has Open WebUI; default: that of the environment that the tests share. */
  python?: string;
}

export class Installation {
  readonly home: string;
  readonly port: number;
  readonly pm2: Pm2;
  /** Of every command. */
  readonly env: Record<string, string>;
  /** The first words of every command. */
  readonly command: readonly string[];
  readonly #python: string | undefined;

  private constructor(
    home: string,
    port: number,
    pm2: Pm2,
    env: Record<string, string>,
    command: readonly string[],
    python: string | undefined,
  ) {
    this.home = home;
    this.port = port;
    this.pm2 = pm2;
    this.env = env;
    this.command = command;
    this.#python = python;
  }

  static async prepare(scope: Scope, options: InstallationOptions = {}): Promise<Installation> {
    const folder = await temporaryFolder(scope, 'up');
    // Another account runs PostgreSQL where the tests are root: it has to get in.
    await chmod(folder, 0o755);
    const [home, bin] = [join(folder, 'home'), join(folder, 'bin')];
    await Promise.all([mkdir(home), mkdir(bin)]);
    await symlink(process.execPath, join(bin, 'node'));
    // Otherwise the shared environment is named.
    if (WITH_PIP) await symlink(basePython(), join(bin, 'python3'));
    const pm2Home = join(home, '.pm2');
    const env = {
      ...pipEnvironment(),
      PATH: bin,
      HOME: home,
      XDG_DATA_HOME: join(home, '.local', 'share'),
      // Also the mark by which every process of it is found at the end.
      PM2_HOME: pm2Home,
      LANG: 'C.UTF-8',
      ...options.env,
    };
    const pm2 = new Pm2(scope, { home: pm2Home, userHome: home, cwd: folder });
    const command = [...(options.through ?? []), process.execPath, CLI];
    return new Installation(home, await freePort(), pm2, env, command, options.python);
  }

  /** Folder of all that `up` makes. */
  get folder(): string {
    return join(this.home, '.local', 'share', 'webui-tune');
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get secretsFile(): string {
    return join(this.folder, 'data', '.webui-tune.env');
  }

  /** A value in the secrets file. */
  secret(name: string): string {
    const found = new RegExp(`^${name}="(.*)"$`, 'm').exec(readFileSync(this.secretsFile, 'utf8'))?.[1];
    if (found === undefined) throw new Error(`${this.secretsFile} has no ${name}`);
    return found;
  }

  async writeSettings(settings: Record<string, string>): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(join(this.folder, 'open-webui.env'), lines.join(''), { mode: 0o600 });
  }

  /** `webui-tune up`, with nobody to ask, and with the environment that the tests share, so that pip has only the services to install. */
  up(...args: string[]): Promise<CommandResult> {
    return this.run(...this.upWords(...args));
  }

  /** Its words. */
  upWords(...args: string[]): string[] {
    // The long form installs Open WebUI too; torch comes from where pip's own settings say.
    const named = this.#python ?? openWebuiEnvironment().python;
    const python =
      WITH_PIP && this.#python === undefined ? ['--torch-index', 'default'] : ['--python', named];
    return ['up', ...python, ...this.#places(), ...args];
  }

  /** `webui-tune migrate`, from whatever is found to two workers of Open WebUI in the environment that the tests share. */
  migrate(...args: string[]): Promise<CommandResult> {
    return this.run(...this.migration(...args));
  }

  /** Its words. */
  migration(...args: string[]): string[] {
    const python = ['--python', openWebuiEnvironment().python];
    return ['migrate', ...python, ...this.#places(), '--workers', '2', ...args];
  }

  #places(): string[] {
    const root = process.getuid?.() === 0 ? ['--service-user', 'nobody'] : [];
    return ['--port', `${this.port}`, ...root];
  }

  /** Runs a command of the journal, and does something to its process in one of its steps. */
  async runUntil(
    words: readonly string[],
    step: string,
    act: (pid: number) => unknown,
  ): Promise<{ code: number | null; stderr: string }> {
    const command = this.start(words);
    const journal = new Journal(this.folder);
    await Promise.race([
      until(() => journal.read()?.step === step, {
        what: `${words[0]} is at ${step}`,
        timeoutMs: COMMAND_TIMEOUT_MS,
        intervalMs: 5,
      }),
      command.then(({ stderr }) => {
        throw new Error(`it ended before ${step}:\n${stderr}`);
      }),
    ]);
    await act(command.pid as number);
    const { exitCode, stderr } = await command;
    return { code: exitCode ?? null, stderr };
  }

  /** Starts a command; its end is never a rejection. */
  start(words: readonly string[], env: Record<string, string> = {}, timeout = COMMAND_TIMEOUT_MS) {
    const [program = '', ...before] = this.command;
    return execa(program, [...before, ...words], {
      cwd: this.home,
      env: { ...this.env, ...env },
      extendEnv: false,
      stdin: 'ignore',
      reject: false,
      timeout,
    });
  }

  async run(...args: string[]): Promise<CommandResult> {
    return this.runWith({}, ...args);
  }

  async runWith(env: Record<string, string>, ...args: string[]): Promise<CommandResult> {
    const started = performance.now();
    const { exitCode, stdout, stderr } = await this.start(args, env);
    return { code: exitCode ?? -1, stdout, stderr, took: performance.now() - started };
  }

  /** PM2's processes by the name of their app. */
  async processes(): Promise<Map<string, Pm2Process[]>> {
    const byName = new Map<string, Pm2Process[]>();
    for (const process of await this.pm2.list()) {
      byName.set(process.name, [...(byName.get(process.name) ?? []), process]);
    }
    return byName;
  }

  /** The process of PostgreSQL or Valkey itself: PM2 knows its launcher, whose child is its keeper. */
  async servicePid(app: string): Promise<number> {
    const [launcher] = (await this.processes()).get(app) ?? [];
    return [1, 2].reduce((pid) => childOf(pid), launcher?.pid ?? 0);
  }

  /** Process ids of all supervisors that PM2 has started here and that still run, whether it knows them or not. */
  supervisorPids(): number[] {
    return processesWith('/', `PM2_HOME=${this.env.PM2_HOME}`)
      .filter(({ command }) => command.join(' ').includes(RUNTIME_FILES.worker))
      .map(({ pid }) => pid);
  }

  /** The Python workers, by what each supervisor says of its own. */
  async workerPids(): Promise<number[]> {
    const instances = (await this.processes()).get(APPS.cluster) ?? [];
    return instances.map(workerOf);
  }
}

function childOf(pid: number): number {
  return Number.parseInt(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'), 10);
}

/** What decides where pip gets its packages from. */
export function pipEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(([name]) => PIP_VARIABLES.test(name));
  return Object.fromEntries(entries) as Record<string, string>;
}

/** The interpreter that the tests' own environment was made with: itself, not a shim that needs a shell. */
export function basePython(): string {
  const { command } = environments().python;
  return execFileSync(command, ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
}
