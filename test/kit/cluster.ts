/** The whole of it, as a user gets it: the CLI writes the ecosystem file, PM2 starts it, the workers serve. */
import { readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Scope } from '../../src/base/io/scope.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { listenersOn } from '../../src/base/machine/listeners.ts';
import { commandLine, type ProcessInfo, programOf } from '../../src/base/machine/process-table.ts';
import { request } from '../../src/bench/client/http.ts';
import { PlanSchema } from '../../src/plan/schema.ts';
import type { Plan } from '../../src/plan/types.ts';
import { APPS, DOCUMENT_PROCESS, ENV } from '../../src/runtime/contract.ts';
import { askSupervisors } from '../../src/runtime/watch/supervisors.ts';
import { readObserved } from '../../src/tune/measurements/observed.ts';
import { CLI, openWebuiEnvironment, sharedCache } from './environment.ts';
import { PATIENCE_MS } from './patience.ts';
import { Pm2, type Pm2Process } from './pm2.ts';
import { freePort } from './ports.ts';
import { createMigratedDatabase } from './postgres.ts';
import { type Embeddings, type Services, settingsFor, startServices } from './services.ts';

/** A look reads all of /proc: more often, it would take the processor from the start that it waits for. */
const LOOK_MS = 100;

export interface PlanOptions {
  /** As the flag takes it. */
  workers: number | string;
  embeddings?: Embeddings;
  /** Further arguments of the CLI. */
  args?: string[];
  /** Further lines of the env file. */
  settings?: Record<string, string>;
  /** Variables of PM2, and of all that it starts. */
  environment?: Record<string, string>;
  /** XDG_CACHE_HOME; by default one that all tests share, so that the page's files are compressed once for all. */
  cacheFolder?: string;
  /** Services that are running already; by default the cluster has its own, with Open WebUI's tables in the database. */
  services?: Services;
  /** An interpreter with an Open WebUI of its own. */
  python?: string;
  /** By default one that is free. */
  port?: number;
}

export interface ClusterOptions extends PlanOptions {
  workers: number;
}

export class Cluster {
  readonly services: Services;
  readonly pm2: Pm2;
  readonly port: number;
  readonly folder: string;
  readonly envFile: string;
  readonly ecosystemFile: string;
  /** What the CLI is called with. */
  readonly args: readonly string[];
  readonly cacheFolder: string;

  constructor(parts: Pick<Cluster, 'services' | 'pm2' | 'port' | 'folder' | 'args' | 'cacheFolder'>) {
    this.services = parts.services;
    this.pm2 = parts.pm2;
    this.port = parts.port;
    this.folder = parts.folder;
    this.args = parts.args;
    this.cacheFolder = parts.cacheFolder;
    this.envFile = join(parts.folder, 'open-webui.env');
    this.ecosystemFile = join(parts.folder, 'ecosystem.config.js');
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** PM2's instances of the cluster, in their order. */
  async instances(): Promise<Pm2Process[]> {
    return (await this.pm2.list()).filter(({ name }) => name === APPS.cluster);
  }

  async preload(): Promise<Pm2Process> {
    const found = (await this.pm2.list()).find(({ name }) => name === APPS.preload);
    if (!found) throw new Error(`PM2 does not run ${APPS.preload}`);
    return found;
  }

  /** All that the preload process has logged. */
  async preloadLog(): Promise<string> {
    const { pm_out_log_path, pm_err_log_path } = (await this.preload()).pm2_env;
    return readFileSync(pm_out_log_path, 'utf8') + readFileSync(pm_err_log_path, 'utf8');
  }

  /** The Python worker of each instance, by the instance's number in PM2. */
  async workerPids(): Promise<Map<number, number>> {
    const instances = await this.instances();
    return new Map(instances.map((instance) => [instance.pm_id, workerOf(instance)]));
  }

  async controlSocket(): Promise<string> {
    return String((await this.preload()).pm2_env[ENV.controlSocket]);
  }

  /**
   * The Python processes that PM2 did not start itself: the forked workers, also those whose preload process was
   * replaced since, and which are nobody's children. The program that fetches models is none of them, nor is what works on
   * documents.
   */
  pythonWorkers(): ProcessInfo[] {
    const { daemonPid } = this.pm2;
    return this.pm2
      .processes()
      .filter(({ pid, ppid }) => ppid !== daemonPid && programOf(pid).startsWith('python'))
      .filter(({ pid }) => !commandLine(pid).includes('webui_preload.models.fetch'))
      .filter(({ name }) => name !== DOCUMENT_PROCESS);
  }

  /** The processes that work on a document now. */
  helpers(): ProcessInfo[] {
    return this.pm2.processes().filter(({ name }) => name === DOCUMENT_PROCESS);
  }

  /** All processes but PM2's own daemon. */
  processes(): ProcessInfo[] {
    const { daemonPid } = this.pm2;
    return this.pm2.processes().filter(({ pid }) => pid !== daemonPid);
  }

  /**
   * Waits until exactly that many Python workers run, each listens and serves as its supervisor says, PM2 calls as many
   * instances online and knows the same workers, and the app is ready. Nobody's word alone will do: to PM2 an instance
   * is online whose worker has just died, to a supervisor that has just woken up a worker serves that was told to leave
   * meanwhile, and a process that was just forked does not serve yet.
   */
  async untilServing(workers: number): Promise<void> {
    const sorted = (pids: Iterable<number>) => [...pids].sort((a, b) => a - b).join(' ');
    const serves = async () => {
      const instances = await this.instances();
      const states = instances.map(({ pm2_env }) => pm2_env.status);
      const shown = sorted(instances.map(({ pm2_env }) => Number(pm2_env.axm_options.pid)));
      const socket = instances[0]?.pm2_env[ENV.controlSocket];
      const serving = sorted(socket === undefined ? [] : await servingPids(String(socket)));
      const python = this.pythonWorkers();
      const running = sorted(python.map(({ pid }) => pid));
      const areOnline = states.length === workers && states.every((state) => state === 'online');
      const owners = new Set(listenersOn('/', this.port)?.map(({ pid }) => pid));
      const listening = sorted(python.flatMap(({ pid }) => (owners.has(pid) ? [pid] : [])));
      const agree = [serving, shown, listening].every((pids) => pids === running);
      if (!areOnline || python.length !== workers || !agree) {
        const seen = { 'Python workers': running, listening, serving, 'in PM2': shown };
        const pids = Object.entries(seen)
          .map(([what, which]) => `${what}: ${which || 'none'}`)
          .join('; ');
        throw new Error(`instances: ${states.join(', ') || 'none'}; ${pids}`);
      }
      const { status, body } = await request(`${this.url}/ready`);
      if (status !== 200) throw new Error(`/ready: ${status} ${body}`);
      return true;
    };
    await this.explain(() =>
      until(serves, { what: `${workers} workers serve`, timeoutMs: PATIENCE_MS, intervalMs: LOOK_MS }),
    );
  }

  /** Waits until the supervisors, which look every 10 s, have kept what workers take that have served. */
  async untilObserved(): Promise<void> {
    const socket = await this.controlSocket();
    await until(() => readObserved(socket).observed?.worker !== undefined, {
      what: 'the size of a worker is kept',
      timeoutMs: PATIENCE_MS,
    });
  }

  /** Puts the end of PM2's logs into the error, if there is one: they are gone when a test has failed. */
  async explain<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      const { message, cause } = error as Error;
      throw new Error(`${message}\n${cause ? String(cause) : ''}\n${this.pm2.logTail()}`, { cause: error });
    }
  }
}

/** The Python worker of an instance, as its supervisor told PM2. */
export function workerOf({ pm_id, pm2_env }: Pm2Process): number {
  const pid = Number(pm2_env.axm_options.pid);
  if (!(pid > 0)) throw new Error(`PM2 knows no worker of instance ${pm_id}, which is ${pm2_env.status}`);
  return pid;
}

/** The Python workers that accept connections, as their supervisors say. */
export async function servingPids(controlSocket: string): Promise<number[]> {
  const supervisors = await askSupervisors(controlSocket);
  return supervisors.flatMap(({ report }) =>
    (report?.workers ?? []).flatMap(({ pid, phase }) =>
      phase === 'serving' && pid !== undefined ? [pid] : [],
    ),
  );
}

/** Runs the CLI in a folder that holds an env file, and leaves the ecosystem file there. */
export async function planCluster(scope: Scope, options: PlanOptions): Promise<Cluster> {
  const services = options.services ?? (await startServices(scope, createMigratedDatabase));
  const folder = await temporaryFolder(scope, 'cluster');
  const userHome = join(folder, 'home');
  await mkdir(userHome);
  const { environment = {} } = options;
  const pm2 = new Pm2(scope, { home: join(folder, 'pm2'), userHome, cwd: folder, environment });
  const port = options.port ?? (await freePort());
  const python = options.python ?? openWebuiEnvironment().python;
  const args = ['--python', python, '--host', '127.0.0.1', '--port', `${port}`];
  args.push('--workers', `${options.workers}`, ...(options.args ?? []));
  const cacheFolder = options.cacheFolder ?? sharedCache();
  const cluster = new Cluster({ services, pm2, port, folder, args, cacheFolder });
  await writeSettings(cluster, {
    ...settingsFor(services, options.embeddings ?? 'remote'),
    DATA_DIR: join(folder, 'data'),
    ...options.settings,
  });
  await writeFile(cluster.ecosystemFile, await runCli(cluster));
  return cluster;
}

/** What the CLI prints for this cluster, with further arguments. */
async function runCli({ folder, args, cacheFolder }: Cluster, ...more: string[]): Promise<string> {
  const { stdout } = await execa(process.execPath, [CLI, ...args, ...more], {
    cwd: folder,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: join(folder, 'home'),
      LANG: 'C.UTF-8',
      XDG_CACHE_HOME: cacheFolder,
    },
    extendEnv: false,
    stripFinalNewline: false,
  });
  return stdout;
}

/** The plan that the cluster's ecosystem file is made from. */
export async function planOf(cluster: Cluster): Promise<Plan> {
  return PlanSchema.parse(JSON.parse(await runCli(cluster, '--json'))) as Plan;
}

export async function startCluster(scope: Scope, options: ClusterOptions): Promise<Cluster> {
  const cluster = await planCluster(scope, options);
  await cluster.pm2.start(cluster.ecosystemFile);
  await cluster.untilServing(options.workers);
  return cluster;
}

export async function writeSettings(cluster: Cluster, settings: Record<string, string>): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(cluster.envFile, lines.join(''), { mode: 0o600 });
  await chmod(cluster.envFile, 0o600);
}
