/** Open WebUI as it runs without this package: `uvicorn --workers N`. What the benchmark compares with. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Scope } from '../../src/base/io/scope.ts';
import { type StartedProcess, startProcess, untilServing } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { type ProcessInfo, processTree } from '../../src/base/machine/process-table.ts';
import { isUvicornWorker } from '../../src/bench/contest/theirs.ts';
import { openWebuiEnvironment } from './environment.ts';
import { PATIENCE_MS } from './patience.ts';
import { freePort } from './ports.ts';
import { type Embeddings, type Services, settingsFor } from './services.ts';

/** One line a worker, at the end of its start; uvicorn's own lines are swallowed by Open WebUI's logger. */
const STARTED = /Scheduler worker started/g;

export interface Stock {
  url: string;
  port: number;
  process: StartedProcess;
  /** The Python processes that serve. */
  workers(): ProcessInfo[];
}

interface StockOptions {
  workers: number;
  embeddings: Embeddings;
  /** Further settings. */
  settings?: Record<string, string>;
}

export async function startStock(
  scope: Scope,
  services: Services,
  { workers, embeddings, settings = {} }: StockOptions,
): Promise<Stock> {
  const folder = await temporaryFolder(scope, 'stock');
  const port = await freePort();
  const { python } = openWebuiEnvironment();
  const log = join(folder, 'log');
  const server = await startProcess(
    scope,
    python,
    [
      '-m',
      'uvicorn',
      'open_webui.main:app',
      '--host',
      '127.0.0.1',
      '--port',
      `${port}`,
      '--workers',
      `${workers}`,
    ],
    {
      log,
      cwd: folder,
      env: {
        ...settingsFor(services, embeddings),
        ...settings,
        HOME: folder,
        FROM_INIT_PY: 'true',
        DATA_DIR: join(folder, 'data'),
        STATIC_DIR: join(folder, 'static'),
        WEBUI_SECRET_KEY: randomBytes(24).toString('hex'),
        WEBSOCKET_MANAGER: 'redis',
        WEBSOCKET_REDIS_URL: services.redisUrl,
      },
    },
  );
  const url = `http://127.0.0.1:${port}`;
  const haveStarted = () => (readFileSync(log, 'utf8').match(STARTED)?.length ?? 0) >= workers;
  await untilServing(server, async () => haveStarted() && (await fetch(`${url}/ready`)).ok, {
    what: `${workers} workers of uvicorn serve`,
    timeoutMs: PATIENCE_MS,
  });
  return {
    url,
    port,
    process: server,
    workers: () => processTree(server.pid).filter(isUvicornWorker),
  };
}

/**
 * Creates the tables and the first settings. Several workers that start on an empty database at once would do that
 * all together, and fail.
 */
export async function seedDatabase(
  services: Services,
  options: Omit<StockOptions, 'workers'>,
): Promise<void> {
  const scope = new Scope();
  try {
    await startStock(scope, services, { ...options, workers: 1 });
  } finally {
    await scope.close();
  }
}
