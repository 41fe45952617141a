/** The whole of it, as a user gets it: the CLI writes the ecosystem file, PM2 starts it, the workers serve. */
import { readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { APPS, ENV } from '../../src/runtime/contract.ts';
import { PlanSchema } from '../../src/schema.ts';
import type { Plan } from '../../src/types.ts';
import { CLI, openWebuiEnvironment, sharedCache } from './environment.ts';
import { request } from './http.ts';
import { Pm2, type Pm2Process } from './pm2.ts';
import { freePort } from './ports.ts';
import { type ProcessInfo, programOf } from './proc.ts';
import type { Scope } from './scope.ts';
import { type Embeddings, type Services, settingsFor, startServices } from './services.ts';
import { temporaryFolder } from './temp.ts';
import { until } from './wait.ts';

const START_TIMEOUT_MS = 180_000;
const LOG_TAIL_LINES = '40';

export interface ClusterOptions {
  workers: number;
  embeddings?: Embeddings;
  /** Further arguments of the CLI. */
  args?: string[];
  /** Further lines of the env file. */
  settings?: Record<string, string>;
  /** XDG_CACHE_HOME; by default one that all tests share, so that the page's files are compressed once for all. */
  cacheFolder?: string;
  /** Services that are running already; by default the cluster has its own. */
  services?: Services;
  /** An interpreter with an Open WebUI of its own. */
  python?: string;
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
    return new Map(instances.map(({ pm_id, pm2_env }) => [pm_id, Number(pm2_env.axm_options.pid)]));
  }

  async controlSocket(): Promise<string> {
    return String((await this.preload()).pm2_env[ENV.controlSocket]);
  }

  /**
   * The Python processes that PM2 did not start itself: the forked workers, also those whose preload process was
   * replaced since, and which are nobody's children.
   */
  pythonWorkers(): ProcessInfo[] {
    const { daemonPid } = this.pm2;
    return this.pm2
      .processes()
      .filter(({ pid, ppid }) => ppid !== daemonPid && programOf(pid).startsWith('python'));
  }

  /** All processes but PM2's own daemon. */
  processes(): ProcessInfo[] {
    const { daemonPid } = this.pm2;
    return this.pm2.processes().filter(({ pid }) => pid !== daemonPid);
  }

  /** Waits until PM2 calls exactly that many instances online, as many Python workers run, and the app is ready. */
  async untilServing(workers: number, timeoutMs = START_TIMEOUT_MS): Promise<void> {
    const serves = async () => {
      const instances = await this.instances();
      const states = instances.map(({ pm2_env }) => pm2_env.status);
      const python = this.pythonWorkers().length;
      if (states.length !== workers || states.some((state) => state !== 'online') || python !== workers) {
        throw new Error(`instances: ${states.join(', ') || 'none'}; Python workers: ${python}`);
      }
      const { status, body } = await request(`${this.url}/ready`);
      if (status !== 200) throw new Error(`/ready: ${status} ${body}`);
      return true;
    };
    await this.explain(() => until(serves, { what: `${workers} workers serve`, timeoutMs }));
  }

  /** Puts the end of PM2's logs into the error, if there is one: they are gone when a test has failed. */
  async explain<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      const { message, cause } = error as Error;
      const logs = await this.pm2.run('logs', '--nostream', '--lines', LOG_TAIL_LINES);
      throw new Error(`${message}\n${cause ? String(cause) : ''}\n${logs}`, { cause: error });
    }
  }
}

/** Runs the CLI in a folder that holds an env file, and leaves the ecosystem file there. */
export async function planCluster(scope: Scope, options: ClusterOptions): Promise<Cluster> {
  const services = options.services ?? (await startServices(scope));
  const folder = await temporaryFolder(scope, 'cluster');
  const userHome = join(folder, 'home');
  await mkdir(userHome);
  const pm2 = new Pm2(scope, { home: join(folder, 'pm2'), userHome, cwd: folder });
  const port = await freePort();
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
