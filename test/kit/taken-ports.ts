/**
 * Takes the usual ports of the services that `webui-tune up` brings, for the whole run: tests that run at once would find
 * them free together. The kernel chooses one for each instead.
 */
import { createServer } from 'node:net';

/** Of src/setup/up/services.ts: PostgreSQL and Valkey. */
const PORTS = [55_432, 56_379];

export default async function takePorts(): Promise<() => void> {
  const servers = await Promise.all(PORTS.map(take));
  return () => {
    for (const server of servers) server.close();
  };
}

/** A port that somebody else has is taken as well. */
function take(port: number) {
  const server = createServer((connection) => connection.destroy());
  return new Promise<typeof server>((resolve) => {
    server.once('error', () => resolve(server)).listen(port, '127.0.0.1', () => resolve(server));
  });
}
