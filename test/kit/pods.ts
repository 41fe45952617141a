/**
 * Pods as Open WebUI's chart renders them, played by podman: against a real PostgreSQL and Redis of their own, behind one
 * nginx. The tests do what a Deployment and a Service would: they start pods, end them, and tell nginx which ones serve.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { stringify } from 'yaml';
import { findNginx } from '../../scripts/nginx.mjs';
import type { Scope } from '../../src/base/io/scope.ts';
import { type StartedProcess, signal, startProcess, untilServing } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { readMemory, sumMemory } from '../../src/base/machine/process-memory.ts';
import { allProcesses, type ProcessInfo, processTree } from '../../src/base/machine/process-table.ts';
import { request } from '../../src/bench/client/http.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { startRedis } from '../../src/bench/scratch/redis.ts';
import { startUpstream, type Upstream } from '../../src/bench/scratch/upstream.ts';
import { IMAGE_PORT } from '../../src/render/image.ts';
import { WORKER_PROCESS } from '../../src/runtime/contract.ts';
import type { KubernetesObject } from '../formats/kubernetes.ts';
import { groupMemory } from './cgroup.ts';
import { groupsOf } from './compose.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';
import { makeOpenWebuiImage, makeToolsImage } from './official-images.ts';
import { PATIENCE_MS } from './patience.ts';
import { HOST, type Podman, startPodman } from './podman.ts';
import { ADMIN, chartObjects, MODELS_URL } from './rendered-chart.ts';

const LOOK_MS = 250;

/** TCP port of nginx in the namespace of the pods. */
const PROXY = 8000;

const COMPONENT = 'app.kubernetes.io/component';

export interface Pod {
  name: string;
  address: string;
  /** Id of the container of Open WebUI. */
  container: string;
}

interface PodMemory {
  /** What its group is charged, without page cache. */
  taken: number;
  /** The same with the page cache that was used lately: what `kubectl top` shows. */
  workingSet: number;
  /** Of all its processes: what plans are measured by. */
  pss: number;
  /** What each worker has for itself. */
  workers: number[];
  limit: number;
}

interface Parts {
  podman: Podman;
  upstream: Upstream;
  template: KubernetesObject;
  folder: string;
  nginx: StartedProcess;
  secrets: Readonly<Record<string, string>>;
}

export class PlayedPods {
  readonly upstream: Upstream;
  readonly podman: Podman;
  readonly secrets: Readonly<Record<string, string>>;
  /** Those that nginx asks. */
  #serving: Pod[] = [];
  readonly #template: KubernetesObject;
  readonly #folder: string;
  readonly #nginx: StartedProcess;
  #started = 0;

  private constructor(parts: Parts) {
    this.podman = parts.podman;
    this.upstream = parts.upstream;
    this.secrets = parts.secrets;
    this.#template = parts.template;
    this.#folder = parts.folder;
    this.#nginx = parts.nginx;
  }

  /** Starts everything but the pods. */
  static async create(scope: Scope): Promise<PlayedPods> {
    const [upstream, redis, postgres] = await Promise.all([
      startUpstream(scope),
      startRedis(scope),
      startEmbeddedPostgres(scope),
    ]);
    const [models, database] = [new URL(upstream.url), new URL(postgres.url)];
    const outside = [Number(models.port), redis.port, Number(database.port)];
    const podman = await startPodman(scope, { inside: [PROXY], outside });
    const folder = await temporaryFolder(scope, 'pods');
    models.hostname = HOST;
    database.hostname = HOST;
    const secrets = {
      WEBUI_SECRET_KEY: randomBytes(16).toString('hex'),
      DATABASE_URL: database.href,
      REDIS_URL: `redis://${HOST}:${redis.port}/0`,
      OPENAI_API_KEY: `sk-${randomBytes(8).toString('hex')}`,
      RAG_OPENAI_API_KEY: `sk-${randomBytes(8).toString('hex')}`,
      WEBUI_ADMIN_PASSWORD: `admin-${randomBytes(8).toString('hex')}`,
    };
    const objects = await chartObjects();
    const workload = objects.find(
      ({ spec }) => spec?.template?.metadata.labels?.[COMPONENT] === 'open-webui',
    );
    const template = workload.spec.template;
    const [{ image }] = template.spec.containers;
    const tools = template.spec.initContainers.at(-1).image;
    const volumes = {
      [image]: await makeOpenWebuiImage(scope, podman, image),
      [tools]: await makeToolsImage(scope, podman, tools),
    };
    fitToMachine(template, volumes, models.href);
    await makeSecret(podman, folder, template, secrets);
    const nginx = await startPodsProxy(scope, podman, folder);
    return new PlayedPods({ podman, upstream, template, folder, nginx, secrets });
  }

  get url(): string {
    return this.podman.network.urlOf(PROXY);
  }

  get serving(): readonly Pod[] {
    return this.#serving;
  }

  signIn(): Promise<OpenWebui> {
    return OpenWebui.signIn(this.url, { email: ADMIN, password: this.secrets.WEBUI_ADMIN_PASSWORD ?? '' });
  }

  /**
   * Starts a pod with further variables, and returns once its readiness probe succeeds. Each init container is played as a pod
   * before it: podman 4.3 cannot remove one that it still takes for running, or starts it twice.
   */
  async start(variables: Readonly<Record<string, string>> = {}): Promise<Pod> {
    const name = `owui-open-webui-${this.#started++}`;
    const { metadata, spec } = structuredClone(this.#template);
    const [container] = spec.containers;
    container.env = [
      ...container.env.filter(({ name: variable }: { name: string }) => !(variable in variables)),
      ...Object.entries(variables).map(([variable, value]) => ({ name: variable, value })),
    ];
    ownVolumes(spec, name);
    const { initContainers, ...rest } = spec;
    for (const [index, init] of initContainers.entries()) {
      const once = { ...rest, containers: [init], restartPolicy: 'Never' };
      await this.#play(`${name}-init-${index}`, metadata, once);
      const code = (await this.podman.run(['wait', `${name}-init-${index}-${init.name}`])).trim();
      if (code !== '0') throw new Error(`the init container ${init.name} has ended with ${code}`);
    }
    await this.#play(name, metadata, rest);
    const [{ Id: id }, { Id: infra }] = [
      await this.#inspect(`${name}-${container.name}`),
      await this.#inspect(await this.#infraOf(name)),
    ];
    const [{ NetworkSettings }] = JSON.parse(await this.podman.run(['inspect', infra]));
    const address = addressOf(NetworkSettings);
    const played = { name, address, container: id };
    const { path } = container.readinessProbe.httpGet;
    await until(async () => (await this.#ask(played, path)) === '200', {
      what: `${name} is ready`,
      timeoutMs: PATIENCE_MS,
      intervalMs: LOOK_MS,
    }).catch(async (error: unknown) => {
      throw new Error(`${error}\n${await this.log(played)}`, { cause: error });
    });
    return played;
  }

  /** Tells nginx which pods there are, as a Service does once a pod is ready or is to end. */
  async route(pods: readonly Pod[]): Promise<void> {
    this.#serving = [...pods];
    const servers = pods.map(({ address }) => `server ${address}:${IMAGE_PORT};`);
    writeFileSync(join(this.#folder, 'pods.conf'), `${servers.join('\n')}\n`);
    const [master, ...before] = this.#proxyProcesses();
    if (!master) throw new Error('nginx has ended');
    signal(master, 'SIGHUP');
    const isNew = ({ pid }: ProcessInfo) => !before.some((worker) => worker.pid === pid);
    await until(() => this.#proxyProcesses().slice(1).some(isNew), {
      what: 'nginx knows the pods',
      timeoutMs: PATIENCE_MS,
    });
  }

  /**
   * Ends a pod as a kubelet does: SIGTERM, and SIGKILL at the end of the grace period. Its network ends after that; `podman pod
   * stop` would end it at once. Returns the exit code.
   */
  async end({ container }: Pod): Promise<number> {
    const seconds = this.#template.spec.terminationGracePeriodSeconds ?? KUBERNETES_GRACE;
    await this.podman.run(['stop', '--time', `${seconds}`, container]);
    const [{ State }] = JSON.parse(await this.podman.run(['inspect', container]));
    return State.ExitCode as number;
  }

  /** podman trips over a container that it still takes for running, and removes it the next time. */
  async remove({ name }: Pod): Promise<void> {
    const inits = this.#template.spec.initContainers.map(
      (_: unknown, index: number) => `${name}-init-${index}`,
    );
    const removed = async () => {
      await this.podman.run(['pod', 'rm', '--force', '--ignore', name, ...inits]);
      return true;
    };
    await until(removed, { what: `${name} is removed`, timeoutMs: PATIENCE_MS });
  }

  log({ container }: Pod): Promise<string> {
    return this.podman.output(['logs', container]);
  }

  /** What runs in a pod's container of Open WebUI, by the pids of this machine. */
  processes({ container }: Pod): ProcessInfo[] {
    return allProcesses().filter(({ pid }) => groupsOf(pid).includes(container));
  }

  /** The apps of PM2 in a pod, asked as the documents say. */
  async apps({ container }: Pod): Promise<{ name: string; status: string }[]> {
    const list = await this.podman.run(['exec', container, 'pm2', 'jlist']);
    const apps = JSON.parse(list) as { name: string; pm2_env: { status: string } }[];
    return apps.map(({ name, pm2_env }) => ({ name, status: pm2_env.status }));
  }

  /** Memory of a pod's container in bytes. */
  memory(pod: Pod): PodMemory {
    const processes = this.processes(pod);
    const [{ pid } = { pid: 0 }] = processes;
    const { used, pageCache, inactive, limit } = groupMemory(pid, pod.container);
    const workers = processes.filter(({ name }) => name === WORKER_PROCESS);
    return {
      taken: used - pageCache,
      workingSet: used - inactive,
      pss: sumMemory(processes).pss,
      workers: workers.map((worker) => readMemory(worker.pid).private),
      limit,
    };
  }

  async isReady(): Promise<boolean> {
    return (await request(`${this.url}/ready`)).status === 200;
  }

  async #play(name: string, metadata: object, spec: object): Promise<void> {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name }, spec };
    await this.podman.run(['kube', 'play', '-'], stringify(pod));
  }

  async #inspect(name: string): Promise<{ Id: string }> {
    const [first] = JSON.parse(await this.podman.run(['inspect', name])) as { Id: string }[];
    if (!first) throw new Error(`there is no ${name}`);
    return first;
  }

  async #infraOf(name: string): Promise<string> {
    const format = ['--format', '{{.InfraContainerID}}'];
    return (await this.podman.run(['pod', 'inspect', ...format, name])).trim();
  }

  async #ask({ address }: Pod, path: string): Promise<string> {
    const [program = '', ...words] = this.podman.network.through;
    const url = `http://${address}:${IMAGE_PORT}${path}`;
    const curl = [
      'curl',
      '--silent',
      '--max-time',
      '5',
      '--output',
      '/dev/null',
      '--write-out',
      '%{http_code}',
    ];
    return (await execa(program, [...words, ...curl, url], { reject: false })).stdout;
  }

  /** nginx, and the processes that serve for it. */
  #proxyProcesses(): ProcessInfo[] {
    const all = processTree(this.#nginx.pid).filter(({ name }) => name === 'nginx');
    const isMaster = ({ ppid }: ProcessInfo) => !all.some(({ pid }) => pid === ppid);
    return [...all.filter(isMaster), ...all.filter((one) => !isMaster(one))];
  }
}

/** terminationGracePeriodSeconds where a pod says nothing. */
const KUBERNETES_GRACE = 30;

/**
 * What only this machine needs: the programs of the images, and where the models are. And what podman 4.3 does otherwise than a
 * kubelet: it publishes the ports of every pod on the machine, and knows no port by its name, so that each liveness probe fails.
 */
function fitToMachine(
  { spec }: KubernetesObject,
  volumes: Readonly<Record<string, readonly string[]>>,
  models: string,
): void {
  const names = new Map<string, string>();
  for (const container of [...spec.initContainers, ...spec.containers]) {
    for (const volume of volumes[container.image] ?? []) {
      const [path = '', mountPath = ''] = volume.split(':');
      if (!names.has(path)) names.set(path, `machine-${names.size}`);
      container.volumeMounts.push({ name: names.get(path), mountPath, readOnly: true });
    }
    delete container.ports;
    delete container.livenessProbe;
    for (const variable of container.env ?? []) {
      if (variable.value === MODELS_URL) variable.value = models;
    }
  }
  for (const [path, name] of names) {
    const type = statSync(path).isDirectory() ? 'Directory' : 'File';
    spec.volumes.push({ name, hostPath: { path, type } });
  }
}

/** podman's emptyDir is a volume of that name, which all pods would share. */
function ownVolumes(spec: KubernetesObject, pod: string): void {
  const own = (name: string) => `${name}-${pod}`;
  const empty = spec.volumes.filter(({ emptyDir }: KubernetesObject) => emptyDir);
  const mounts = [...spec.initContainers, ...spec.containers].flatMap(({ volumeMounts }) => volumeMounts);
  for (const volume of empty) {
    for (const mount of mounts.filter(({ name }) => name === volume.name)) mount.name = own(mount.name);
    volume.name = own(volume.name);
  }
}

/** The Secret that the values refer to, with exactly the keys that they name. */
async function makeSecret(
  podman: Podman,
  folder: string,
  { spec }: KubernetesObject,
  secrets: Readonly<Record<string, string>>,
): Promise<void> {
  const references = spec.containers
    .flatMap(({ env }: KubernetesObject) => env)
    .flatMap(({ valueFrom }: KubernetesObject) => (valueFrom ? [valueFrom.secretKeyRef] : []));
  const [{ name }] = references;
  const data = references.map(({ key }: { key: string }) => {
    const value = secrets[key];
    if (value === undefined) throw new Error(`the Secret has no ${key}`);
    return [key, Buffer.from(value).toString('base64')];
  });
  // podman takes a pipe only, and Node gives a program a socket.
  const file = join(folder, 'secret.json');
  writeFileSync(file, JSON.stringify(Object.fromEntries(data)), { mode: 0o600 });
  await podman.run(['secret', 'create', name, file]);
}

function addressOf({ IPAddress, Networks }: KubernetesObject): string {
  const [network] = Object.values<KubernetesObject>(Networks ?? {});
  return IPAddress || network?.IPAddress;
}

/** An nginx among the pods. It repeats no request: one that a pod loses is lost. */
async function startPodsProxy(scope: Scope, podman: Podman, folder: string): Promise<StartedProcess> {
  const nginx = findNginx();
  if (nginx === undefined) throw new Error('there is no nginx');
  mkdirSync(join(folder, 'temp'));
  // One that refuses, until there are pods.
  writeFileSync(join(folder, 'pods.conf'), 'server 127.0.0.1:1;\n');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/temp/${name};`,
  );
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr; user root;
    events {}
    http {
      access_log off; ${temporary.join(' ')}
      map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
      upstream pods { include ${folder}/pods.conf; keepalive 16; }
      server {
        listen 127.0.0.1:${PROXY};
        client_max_body_size 0;
        location / {
          proxy_pass http://pods;
          proxy_next_upstream off;
          proxy_http_version 1.1;
          proxy_set_header Host $host;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $connection_upgrade;
          proxy_buffering off;
          proxy_read_timeout 3600s;
        }
      }
    }\n`,
  );
  const [program = '', ...words] = podman.network.through;
  const started = await startProcess(
    scope,
    program,
    [...words, nginx, '-c', file, '-p', folder, '-e', 'stderr'],
    { log: join(folder, 'nginx.log') },
  );
  await untilServing(started, async () => (await request(podman.network.urlOf(PROXY))).status === 502, {
    what: 'nginx listens',
    timeoutMs: PATIENCE_MS,
  });
  return started;
}
