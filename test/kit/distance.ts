/**
 * A line with latency. On loopback a client hears at once that a server closed its connection; a request that
 * crosses the closing on its way, which is what a drain must not lose, happens only at a distance.
 */
import { connect, createServer, type Socket } from 'node:net';
import type { Scope } from '../../src/base/io/scope.ts';
import { listenOnLoopback } from './ports.ts';

/** Relays to the port of this machine; returns the port of the far end. */
export async function startDistantLine(
  scope: Scope,
  { port, oneWayMs }: { port: number; oneWayMs: number },
): Promise<number> {
  const open = new Set<Socket>();
  const relay = (from: Socket, to: Socket) => {
    open.add(from);
    from.on('data', (chunk: Buffer) => setTimeout(() => to.write(chunk), oneWayMs));
    from.on('end', () => setTimeout(() => to.end(), oneWayMs));
    from.on('error', () => setTimeout(() => to.destroy(), oneWayMs));
    from.on('close', () => open.delete(from));
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    relay(client, upstream);
    relay(upstream, client);
  });
  scope.defer('distant line', () => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return listenOnLoopback(server);
}
