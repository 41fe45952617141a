/**
 * Containers of their own: podman with its storage, networks and settings in a temporary folder, and in namespaces of its own,
 * so that this machine keeps no trace of them. Compose speaks to its socket. Needs root.
 */
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { environments } from '../../scripts/environments.mjs';
import { missingForPodman } from '../../scripts/podman.mjs';
import type { Scope } from '../../src/base/io/scope.ts';
import { startProcess, untilServing } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { type Network, PROXY_PORT, packageHosts, startNetwork } from './network.ts';
import { PATIENCE_MS } from './patience.ts';

/** Between two looks for a container whose health is to be checked. */
const LOOK_MS = 1_000;
/** The name that podman gives the machine in each container, which is our namespace here. */
export const HOST = 'host.containers.internal';
/** Where containers find the proxy to the package registries. */
export const PROXY_URL = `http://${HOST}:${PROXY_PORT}`;

/** Why there can be no containers here; undefined: there can. */
export function whyNoPodman(): string | undefined {
  if (process.env.WEBUI_TUNE_TEST_CONTAINERS !== '1') return 'npm run test:containers runs them';
  if (process.getuid?.() !== 0) return 'they need root';
  const missing = missingForPodman();
  return missing.length > 0 ? `these programs are missing: ${missing.join(', ')}` : undefined;
}

export class Podman {
  readonly network: Network;
  readonly #env: Record<string, string>;
  readonly #socket: string;
  readonly #nextCheck = new Map<string, number>();

  constructor(network: Network, socket: string, env: Record<string, string>) {
    this.network = network;
    this.#socket = socket;
    this.#env = env;
  }

  /** Runs podman itself; returns what it prints. */
  async run(args: readonly string[], input?: string): Promise<string> {
    const [program = '', ...words] = this.network.through;
    const { stdout } = await execa(program, [...words, 'podman', ...args], {
      env: this.#env,
      ...(input !== undefined && { input }),
    });
    return stdout;
  }

  /** What podman prints, on either output. */
  async output(args: readonly string[]): Promise<string> {
    const [program = '', ...words] = this.network.through;
    const { all } = await execa(program, [...words, 'podman', ...args], { env: this.#env, all: true });
    return all;
  }

  /** A folder as an image; `changes` in the words of a Dockerfile. */
  async makeImage(name: string, folder: string, changes: readonly string[]): Promise<void> {
    const [program = '', ...words] = this.network.through;
    const change = changes.flatMap((line) => ['--change', line]);
    const imports = ['podman', 'import', '--quiet', ...change, '-', name];
    await execa('tar', ['--create', '--directory', folder, '.'], { buffer: false }).pipe(
      program,
      [...words, ...imports],
      { env: this.#env },
    );
  }

  /** Runs Compose in a folder with a Compose file; returns what it prints. Throws with all that it says. */
  async compose(folder: string, ...args: string[]): Promise<string> {
    const program = join(environments().validators.folder, 'bin', 'docker-compose');
    const { stdout } = await execa(program, args, {
      cwd: folder,
      env: { DOCKER_HOST: `unix://${this.#socket}`, DOCKER_CONFIG: folder, COMPOSE_PROGRESS: 'plain' },
    });
    return stdout;
  }

  /** Asks podman's own API. */
  async api<T>(path: string): Promise<T> {
    const text = await new Promise<string>((resolve, reject) => {
      http
        .get({ socketPath: this.#socket, path: `/v4.0.0/libpod${path}` }, (answer) => {
          let body = '';
          answer.setEncoding('utf8').on('data', (part) => {
            body += part;
          });
          answer.on('end', () => resolve(body));
        })
        .on('error', reject);
    });
    return JSON.parse(text) as T;
  }

  /** What systemd's timers do elsewhere: podman checks no health by itself. */
  async checkHealth(): Promise<void> {
    const containers = await this.api<{ Id: string }[]>('/containers/json');
    for (const { Id } of containers) {
      if (performance.now() < (this.#nextCheck.get(Id) ?? 0)) continue;
      const { Config } = await this.api<{ Config: { Healthcheck?: { Interval: number } } }>(
        `/containers/${Id}/json`,
      );
      const milliseconds = (Config.Healthcheck?.Interval ?? Number.POSITIVE_INFINITY) / 1e6;
      this.#nextCheck.set(Id, performance.now() + milliseconds);
      if (Config.Healthcheck) await this.api(`/containers/${Id}/healthcheck`);
    }
  }
}

/** `inside`: ports that containers publish; `outside`: ports of this machine that they ask under HOST. */
export async function startPodman(
  scope: Scope,
  ports: { inside: readonly number[]; outside: readonly number[] },
): Promise<Podman> {
  const folder = await temporaryFolder(scope, 'podman');
  const network = await startNetwork(scope, { ...ports, heardOn: '0.0.0.0', allow: packageHosts() });
  const socket = join(folder, 'podman.sock');
  writeFileSync(join(folder, 'containers.conf'), containersConf(folder));
  writeFileSync(
    join(folder, 'storage.conf'),
    `[storage]\ndriver = "overlay"\ngraphroot = "${folder}/storage"\nrunroot = "${folder}/run"\n`,
  );
  const env = {
    PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
    HOME: folder,
    CONTAINERS_CONF: join(folder, 'containers.conf'),
    CONTAINERS_STORAGE_CONF: join(folder, 'storage.conf'),
    // Health is checked by systemd's timers, which there are none of.
    DISABLE_HC_SYSTEMD: 'true',
  };
  const [program = '', ...words] = network.through;
  const service = await startProcess(
    scope,
    program,
    [...words, 'podman', 'system', 'service', '--time=0', `unix://${socket}`],
    { env, log: join(folder, 'log') },
  );
  const podman = new Podman(network, socket, env);
  await untilServing(service, async () => Boolean(await podman.api('/info')), {
    what: 'podman answers',
    timeoutMs: PATIENCE_MS,
  });
  scope.defer('containers', async () => {
    // podman trips over a container that ends at this moment, and removes it the next time.
    const removed = async () => {
      await podman.run(['pod', 'rm', '--all', '--force', '--time=0']);
      await podman.run(['rm', '--all', '--force', '--time=0', '--volumes']);
      return true;
    };
    await until(removed, { what: 'all containers are removed', timeoutMs: PATIENCE_MS });
  });
  const timer = new AbortController();
  const checking = (async () => {
    while (!timer.signal.aborted) {
      await podman.checkHealth().catch(() => undefined);
      await sleep(LOOK_MS, undefined, { signal: timer.signal }).catch(() => undefined);
    }
  })();
  scope.defer('health checks', async () => {
    timer.abort();
    await checking;
  });
  return podman;
}

/** This machine may forbid what podman does by default: to raise limits, and to ask a systemd for groups. */
function containersConf(folder: string): string {
  return `[containers]
default_ulimits = []
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
# Docker waits for the container's own time; podman, asked by Compose to restart one, for this.
stop_timeout = 80
tmp_dir = "${folder}/tmp"
volume_path = "${folder}/volumes"
[network]
network_backend = "netavark"
network_config_dir = "${folder}/networks"
`;
}
