/** WebSockets of pages that are open and silent; each comes back by itself, as Open WebUI's page does. */
import { io, type Socket } from 'socket.io-client';
import type { OpenWebui } from '../test/kit/openwebui.ts';
import { until } from '../test/kit/wait.ts';

const CONNECT_TIMEOUT_MS = 20_000;
/** socket.io waits 1 to 5 s between two attempts, and each may be refused while nothing serves. */
const RETURN_TIMEOUT_MS = 30_000;

export interface SocketsReport {
  /** Times that a socket was there again after it had been cut. */
  reconnected: number;
  /** Sockets that were not there at the end. */
  lost: number;
}

export class IdleSockets {
  readonly #sockets: Socket[];
  #connected = 0;

  private constructor(sockets: Socket[]) {
    this.#sockets = sockets;
  }

  static async open(ui: OpenWebui, count: number): Promise<IdleSockets> {
    const sockets = Array.from({ length: count }, () =>
      io(ui.url, {
        path: '/ws/socket.io',
        transports: ['websocket'],
        auth: { token: ui.token },
        forceNew: true,
      }),
    );
    const idle = new IdleSockets(sockets);
    for (const socket of sockets) {
      socket.on('connect', () => {
        idle.#connected += 1;
        socket.emit('user-join', { auth: { token: ui.token } });
      });
      // Only here the client does not try again by itself.
      socket.on('disconnect', (reason) => {
        if (reason === 'io server disconnect') socket.connect();
      });
    }
    await idle.#untilAll(CONNECT_TIMEOUT_MS);
    return idle;
  }

  async #untilAll(timeoutMs: number): Promise<void> {
    await until(() => this.#sockets.every(({ connected }) => connected), {
      what: `${this.#sockets.length} sockets are connected`,
      timeoutMs,
    });
  }

  async stop(): Promise<SocketsReport> {
    // What is missing is told by the report.
    await this.#untilAll(RETURN_TIMEOUT_MS).catch(() => undefined);
    const lost = this.#sockets.filter(({ connected }) => !connected).length;
    for (const socket of this.#sockets) socket.disconnect();
    return { reconnected: this.#connected - this.#sockets.length, lost };
  }
}
