/** A rendered Compose file that runs: in containers of its own, with images made from what is installed here. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Scope } from '../../src/base/io/scope.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { allProcesses, type ProcessInfo } from '../../src/base/machine/process-table.ts';
import { socketsOf } from '../../src/base/machine/sockets.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { EMBEDDING_MODEL, startUpstream, type Upstream } from '../../src/bench/scratch/upstream.ts';
import { IMAGE_PORT } from '../../src/render/image.ts';
import { CLI } from './environment.ts';
import { makeOfficialImages, type OfficialImages } from './official-images.ts';
import { HOST, type Podman, PROXY_URL, startPodman } from './podman.ts';

const SERVICE = 'open-webui';
const ADMIN = 'admin@example.org';

interface ComposeFile {
  services: Record<string, { image: string; mem_limit: string }>;
  secrets: Record<string, unknown>;
}

/** One folder with a Compose file, which may be rendered anew. */
export class ComposeProject {
  readonly podman: Podman;
  readonly upstream: Upstream;
  readonly secrets: Record<string, string> = {};
  readonly #folder: string;
  readonly #images: OfficialImages;

  private constructor(parts: { podman: Podman; upstream: Upstream; folder: string; images: OfficialImages }) {
    this.podman = parts.podman;
    this.upstream = parts.upstream;
    this.#folder = parts.folder;
    this.#images = parts.images;
  }

  /** Starts podman, and makes the images that the rendered file names. */
  static async create(scope: Scope, args: readonly string[]): Promise<ComposeProject> {
    const upstream = await startUpstream(scope);
    const port = Number(new URL(upstream.url).port);
    const podman = await startPodman(scope, { inside: [IMAGE_PORT], outside: [port] });
    const folder = await temporaryFolder(scope, 'compose');
    const url = `http://${HOST}:${port}/v1`;
    const settings = {
      OPENAI_API_BASE_URL: url,
      OPENAI_API_KEY: 'in its file',
      ENABLE_OLLAMA_API: 'false',
      WEBUI_ADMIN_EMAIL: ADMIN,
      WEBUI_ADMIN_PASSWORD: 'in its file',
      RAG_EMBEDDING_ENGINE: 'openai',
      RAG_EMBEDDING_MODEL: EMBEDDING_MODEL,
      RAG_OPENAI_API_BASE_URL: url,
      RAG_OPENAI_API_KEY: 'in its file',
      // Nothing here may reach out to the network.
      HF_HUB_OFFLINE: '1',
      OFFLINE_MODE: 'true',
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(join(folder, 'open-webui.env'), lines.join(''), { mode: 0o600 });
    mkdirSync(join(folder, 'secrets'), { mode: 0o700 });
    const file = ComposeProject.#render(folder, args);
    const images = await makeOfficialImages(scope, podman, {
      openWebui: imageOf(file, SERVICE),
      postgres: imageOf(file, 'postgres'),
      valkey: imageOf(file, 'valkey'),
      node: imageOf(file, 'tools'),
    });
    const project = new ComposeProject({ podman, upstream, folder, images });
    project.render(args);
    return project;
  }

  static #render(folder: string, args: readonly string[]): ComposeFile {
    const path = join(folder, 'compose.yaml');
    execFileSync(process.execPath, [CLI, '--format', 'compose', '--out', path, ...args], {
      cwd: folder,
      stdio: 'pipe',
    });
    return parse(readFileSync(path, 'utf8')) as ComposeFile;
  }

  /** Writes the Compose file, the secrets that it wants, and beside it what only this machine needs. */
  render(args: readonly string[]): ComposeFile {
    const file = ComposeProject.#render(this.#folder, args);
    for (const name of Object.keys(file.secrets)) {
      this.secrets[name] ??= `${name}-${randomBytes(6).toString('hex')}`;
      writeFileSync(join(this.#folder, 'secrets', name), `${this.secrets[name]}\n`);
    }
    const registry = execFileSync('npm', ['config', 'get', 'registry'], {
      cwd: '/',
      encoding: 'utf8',
    }).trim();
    const { NODE_EXTRA_CA_CERTS } = process.env;
    const npm = {
      npm_config_registry: registry,
      npm_config_proxy: PROXY_URL,
      npm_config_https_proxy: PROXY_URL,
      ...(NODE_EXTRA_CA_CERTS && { NODE_EXTRA_CA_CERTS }),
    };
    const certificates = NODE_EXTRA_CA_CERTS ? [`${NODE_EXTRA_CA_CERTS}:${NODE_EXTRA_CA_CERTS}:ro`] : [];
    const { openWebui, postgres, valkey, node } = this.#images;
    const here: Record<string, object> = {
      postgres: { volumes: postgres },
      valkey: { volumes: valkey },
      tools: { volumes: [...node, ...certificates], environment: npm },
      migrate: { volumes: openWebui },
      [SERVICE]: { volumes: openWebui },
    };
    const services = Object.fromEntries(Object.entries(here).filter(([name]) => name in file.services));
    writeFileSync(join(this.#folder, 'compose.override.yaml'), stringify({ services }));
    return file;
  }

  /** Another tag of the image with the same content, in the Compose file too. */
  async changeTag(tag: string): Promise<void> {
    const path = join(this.#folder, 'compose.yaml');
    const text = readFileSync(path, 'utf8');
    const image = imageOf(parse(text) as ComposeFile, SERVICE);
    const next = image.replace(/:[^:]*$/, `:${tag}`);
    await this.podman.run(['tag', image, next]);
    writeFileSync(path, text.replaceAll(image, next));
  }

  compose(...args: string[]): Promise<string> {
    return this.podman.compose(this.#folder, ...args);
  }

  /** Of all services, or as `words` say. Throws with the containers' own words where they do not get ready. */
  async up(...words: string[]): Promise<void> {
    try {
      await this.compose('up', '--detach', '--wait', ...words);
    } catch (error) {
      throw new Error(`${error}\n${await this.compose('logs', '--tail', '40')}`, { cause: error });
    }
  }

  /** Runs a command in the container of Open WebUI, as the documents name it. */
  exec(...words: string[]): Promise<string> {
    return this.compose('exec', '-T', SERVICE, ...words);
  }

  log(): Promise<string> {
    return this.compose('logs', '--no-color', '--no-log-prefix', SERVICE);
  }

  get url(): string {
    return this.podman.network.urlOf(IMAGE_PORT);
  }

  signIn(): Promise<OpenWebui> {
    return OpenWebui.signIn(this.url, { email: ADMIN, password: this.secrets['webui-admin-password'] ?? '' });
  }

  async container(): Promise<string> {
    return (await this.compose('ps', '--quiet', SERVICE)).trim();
  }

  /** What runs in the container of Open WebUI, by the pids of this machine. */
  async processes(): Promise<ProcessInfo[]> {
    const id = await this.container();
    return allProcesses().filter(({ pid }) => groupsOf(pid).includes(id));
  }
}

/** As podman calls it: with the registry that a short name means. */
function imageOf({ services }: ComposeFile, service: string): string {
  const name = services[service]?.image ?? '';
  if (name.split('/')[0]?.includes('.')) return name;
  return name.includes('/') ? `docker.io/${name}` : `docker.io/library/${name}`;
}

export function groupsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch {
    return ''; // it is gone
  }
}

/** How many connections to Open WebUI's port a process of the container holds. */
export function connectionsOf(pid: number): number {
  const held = socketsOf('/', pid);
  const lines = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').split('\n');
  const port = `:${IMAGE_PORT.toString(16).toUpperCase().padStart(4, '0')}`;
  return lines.filter((line) => {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    return local.endsWith(port) && state === '01' && held.has(inode);
  }).length;
}
