import { connect, createServer, type Socket } from 'node:net';
import type { Scope } from '../src/base/io/scope.ts';
import { listenOnLoopback } from '../test/kit/ports.ts';

export interface CountingProxy {
  url: string;
  /** Bytes in both directions since the start. */
  bytes(): number;
}

/** Forwards connections to a port of this machine, and counts the bytes. */
export async function startCountingProxy(scope: Scope, port: number): Promise<CountingProxy> {
  let bytes = 0;
  const sockets = new Set<Socket>();
  const count = (from: Socket, to: Socket) => {
    sockets.add(from);
    from.on('data', (data) => {
      bytes += data.length;
      to.write(data);
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  };
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    count(client, upstream);
    count(upstream, client);
  });
  const own = await listenOnLoopback(server);
  scope.defer('counting proxy', () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${own}`, bytes: () => bytes };
}
