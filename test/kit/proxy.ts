/** A loopback port that leads to a server, and can be closed and opened again: the server, gone and back. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Scope } from '../../src/base/io/scope.ts';
import { freePort } from './ports.ts';

export class ServiceProxy {
  readonly port: number;
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  private constructor(port: number, target: number) {
    this.port = port;
    this.#target = target;
  }

  static async start(scope: Scope, target: number): Promise<ServiceProxy> {
    const proxy = new ServiceProxy(await freePort(), target);
    await proxy.open();
    scope.defer(`the proxy on port ${proxy.port}`, () => proxy.close());
    return proxy;
  }

  async open(): Promise<void> {
    const server = createServer((client) => {
      const upstream = connect(this.#target, '127.0.0.1');
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => undefined);
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.#server = server;
  }

  /** Refuses new connections and cuts those that are there. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
