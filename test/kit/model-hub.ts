/** A Hugging Face of our own, with the default embedding model, as far as huggingface_hub asks it for files. */
import { once } from 'node:events';
import { createReadStream, readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DEFAULT_MODEL } from '../../src/runtime/contract.ts';
import { MODEL_FILES, type ModelFile, REVISION } from '../../src/setup/model/default-model.ts';
import { openWebuiEnvironment } from './environment.ts';
import type { Scope } from './scope.ts';

export interface Hub {
  url: string;
  /** Paths of the files that were asked for, each once. */
  asked: Set<string>;
  /** The file that is not what was published. */
  broken?: string;
  /** Whether it takes connections and never answers. */
  isSilent?: boolean;
  /** The file of which half comes, and then nothing. */
  stuck?: string;
}

export async function startHub(scope: Scope): Promise<Hub> {
  const { embeddingModel } = openWebuiEnvironment();
  const hub: Hub = { url: '', asked: new Set() };
  const server = createServer((request, response) => {
    if (hub.isSilent) return;
    const prefix = `/${DEFAULT_MODEL}/resolve/${REVISION}/`;
    const path = decodeURIComponent(request.url ?? '').replace(prefix, '');
    const file = MODEL_FILES.find((one) => one.path === path);
    if (!file) {
      response.writeHead(404).end();
      return;
    }
    hub.asked.add(path);
    response.writeHead(200, {
      'Content-Length': file.bytes,
      ETag: `"${file.blob}"`,
      'X-Repo-Commit': REVISION,
    });
    if (request.method === 'HEAD') response.end();
    else send(hub, file, join(embeddingModel, path), response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  scope.defer('the hub', async () => {
    server.closeAllConnections();
    server.close();
  });
  hub.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return hub;
}

function send(
  { broken, stuck }: Hub,
  { path, bytes }: ModelFile,
  source: string,
  response: ServerResponse,
): void {
  if (broken === path) {
    const content = readFileSync(source);
    content[bytes - 1] = (content[bytes - 1] ?? 0) ^ 1;
    response.end(content);
  } else if (stuck === path) {
    response.write(readFileSync(source).subarray(0, bytes / 2));
  } else {
    createReadStream(source).pipe(response);
  }
}
