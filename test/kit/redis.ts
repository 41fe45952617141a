import { join } from 'node:path';
import { createClient } from 'redis';
import { freePort } from './ports.ts';
import { type StartedProcess, startProcess, untilServing } from './processes.ts';
import type { Scope } from './scope.ts';
import { temporaryFolder } from './temp.ts';

const START_TIMEOUT_MS = 10_000;

/**
 * A Redis server of its own. Another database number would not do: socket.io's channel has no prefix and Pub/Sub
 * ignores database numbers, so two test runs on one server would hear each other.
 */
export async function startRedis(
  scope: Scope,
  { port: wanted }: { port?: number } = {},
): Promise<{ url: string; port: number; process: StartedProcess }> {
  const folder = await temporaryFolder(scope, 'redis');
  const port = wanted ?? (await freePort());
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
  ];
  const server = await startProcess(scope, 'redis-server', options, { log: join(folder, 'log') });
  const url = `redis://127.0.0.1:${port}/0`;
  await untilServing(server, () => ping(url), { what: 'Redis answers', timeoutMs: START_TIMEOUT_MS });
  return { url, port, process: server };
}

async function ping(url: string): Promise<boolean> {
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  client.on('error', () => undefined); // connect() reports it
  await client.connect();
  const answer = await client.ping();
  client.destroy();
  return answer === 'PONG';
}
