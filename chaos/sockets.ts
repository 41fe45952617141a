/** WebSockets of open, silent pages. Each reconnects by itself, as Open WebUI's page does. */
import { io, type Socket } from 'socket.io-client';
import { until } from '../src/base/io/wait.ts';
import type { OpenWebui } from '../src/bench/client/open-webui.ts';

const CONNECT_TIMEOUT_MS = 20_000;
/** Milliseconds. socket.io waits 1 to 5 s between two attempts, and attempts may be refused while nothing serves. */
const RETURN_TIMEOUT_MS = 30_000;

export interface SocketsReport {
  /** How often a socket reconnected after it had been cut. */
  reconnected: number;
  /** Sockets that were not connected at the end. */
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
      // This is the only case in which the client does not reconnect by itself.
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
    // The report counts the missing sockets.
    await this.#untilAll(RETURN_TIMEOUT_MS).catch(() => undefined);
    const lost = this.#sockets.filter(({ connected }) => !connected).length;
    for (const socket of this.#sockets) socket.disconnect();
    return { reconnected: this.#connected - this.#sockets.length, lost };
  }
}
