/** HTTP requests over connections that a test can hold, count and tell apart. */
import http from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

const DEFAULT_TIMEOUT_MS = 30_000;

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
  /** The body as it came, also where it is no text. */
  bytes: Buffer;
}

export interface RequestOptions {
  method?: string | undefined;
  headers?: Record<string, string>;
  body?: string | Buffer | undefined;
  agent?: http.Agent | undefined;
  /** The address that the request comes from; all of 127.0.0.0/8 is this machine's. */
  localAddress?: string;
  timeoutMs?: number;
  /** Sent as it is instead of the URL's path, which would lose `..` and the like. */
  path?: string;
}

/** One keep-alive connection at a time, which can be asked for its local port. */
export class OneConnection extends http.Agent {
  opened = 0;
  /** Local port of the newest connection, also when it is closed by now. */
  lastPort: number | undefined;
  #socket: Socket | undefined;

  constructor() {
    super({ keepAlive: true, maxSockets: 1 });
  }

  override createConnection(...args: Parameters<http.Agent['createConnection']>): Duplex | null | undefined {
    const socket = super.createConnection(...args);
    this.opened += 1;
    this.#socket = socket as Socket;
    this.lastPort = undefined;
    this.#socket.once('connect', () => {
      this.lastPort = (socket as Socket).localPort;
    });
    return socket;
  }

  get localPort(): number {
    if (!this.#socket?.localPort) throw new Error('no connection is open');
    return this.#socket.localPort;
  }
}

export function request(
  url: string,
  {
    method = 'GET',
    headers = {},
    body,
    agent,
    localAddress,
    timeoutMs = DEFAULT_TIMEOUT_MS,
    path,
  }: RequestOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = http.request(url, {
      method,
      headers,
      agent: agent ?? false,
      localAddress,
      ...(path && { path }),
    });
    // Node's own time-out is for silence only.
    const timer = setTimeout(() => outgoing.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
    const fail = (error: Error) => {
      clearTimeout(timer);
      reject(new Error(`${method} ${url}: ${error.message}`, { cause: error }));
    };
    outgoing.on('error', fail);
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () => {
        clearTimeout(timer);
        const bytes = Buffer.concat(chunks);
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, body: bytes.toString('utf8'), bytes });
      });
    });
    outgoing.end(body);
  });
}
