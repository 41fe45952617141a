import { join } from 'node:path';
import { LOOPBACK } from '../../base/io/address.ts';
import { freePort } from '../../base/io/port.ts';
import type { Scope } from '../../base/io/scope.ts';
import { type StartedProcess, type StartOptions, startProcess, untilServing } from '../../base/io/started.ts';
import { temporaryFolder } from '../../base/io/temp.ts';
import { loadRedis } from '../../facts/services/redis.ts';

const START_TIMEOUT_MS = 10_000;

interface RedisOptions extends Pick<StartOptions, 'env' | 'detached'> {
  port?: number;
  program?: string;
  /** Folder for its own. */
  parent?: string;
  /** Further options of the program. */
  further?: readonly string[];
}

/**
 * A Redis or Valkey server of its own. Another database number would not do: socket.io's channel has no prefix and
 * Pub/Sub ignores database numbers, so two installations on one server would hear each other.
 */
export async function startRedis(
  scope: Scope,
  { port: wanted, program = 'redis-server', parent, further = [], ...start }: RedisOptions = {},
): Promise<{ url: string; port: number; process: StartedProcess }> {
  const folder = await temporaryFolder(scope, 'redis', parent);
  const port = wanted ?? (await freePort(LOOPBACK, 0));
  const options = [
    '--bind',
    '127.0.0.1',
    '--port',
    `${port}`,
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    folder,
    ...further,
  ];
  const server = await startProcess(scope, program, options, { ...start, log: join(folder, 'log') });
  const url = `redis://127.0.0.1:${port}/0`;
  await untilServing(server, () => ping(url), { what: 'Redis answers', timeoutMs: START_TIMEOUT_MS });
  return { url, port, process: server };
}

async function ping(url: string): Promise<boolean> {
  const client = await connectRedis(url);
  const answer = await client.ping();
  client.destroy();
  return answer === 'PONG';
}

/** A connection to it, which does not come back when it is lost. */
export async function connectRedis(url: string) {
  const { createClient } = await loadRedis();
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  client.on('error', () => undefined); // connect() reports it
  await client.connect();
  return client;
}
