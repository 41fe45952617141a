import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Socket } from 'socket.io-client';
import { EXIT, TuneError } from '../../base/errors.ts';
import { addressOf } from '../../base/io/address.ts';
import { OneConnection } from '../../bench/client/http.ts';
import { connected } from '../../facts/services/redis.ts';
import { reasonOf, within } from '../../facts/services/timeout.ts';
import type { Settings } from '../../facts/types.ts';
import type { ClusterFacts } from './cluster.ts';
import { AT_ONCE, holdersOf, MOST_CONNECTIONS } from './connections.ts';
import { CHANNEL, openBroker } from './redis.ts';

export interface CrossingFacts {
  /** Connections that were opened until each worker had one. */
  opened: number;
  workers: readonly ({ pid: number } & PageAnswer)[];
}

/** Milliseconds that one connection may take, and that a message may be on its way. */
const CONNECT_TIMEOUT = 5_000;
const ARRIVE_TIMEOUT = 3_000;
const INTERVAL = 20;

const EVENT = 'webui-tune:doctor';

/** Where Open WebUI mounts socket.io. */
const PATH = '/ws/socket.io';
const ONCE = {
  transports: ['websocket'],
  reconnection: false,
  forceNew: true,
  timeout: CONNECT_TIMEOUT,
};

/** How a message to one browser fared. */
export interface PageAnswer {
  /** Milliseconds from the broker to the browser's socket; undefined: it did not arrive. */
  arrivedMs?: number;
  /** Whether the worker's own message, the browser's answer, came to the broker. */
  answered: boolean;
}

interface Page {
  socket: Socket;
  connection: OneConnection;
}

/**
 * Opens sockets as a browser does before anybody has signed in, until every worker holds one. Then sends each a message
 * through the broker, as another worker would, and waits for the worker's reply there. Throws TuneError.
 */
export async function sendAcross(
  settings: Settings,
  { workers, address }: ClusterFacts,
): Promise<CrossingFacts> {
  const pages: Page[] = [];
  try {
    const held = await holdAll(
      workers.map(({ pid }) => pid),
      address,
      pages,
    );
    const results = await send(settings, held);
    return { opened: pages.length, workers: results };
  } catch (error) {
    if (error instanceof TuneError) throw error;
    throw new TuneError(`no message could be sent through the broker: ${reasonOf(error)}`, EXIT.service);
  } finally {
    for (const { socket, connection } of pages) {
      socket.disconnect();
      connection.destroy();
    }
  }
}

/**
 * The same with one socket, opened as by a page that came from `url`: it passes through whatever lies in front of the
 * workers. Rejects where no WebSocket can be opened.
 */
export async function crossOnce(settings: Settings, url: URL): Promise<PageAnswer> {
  const { io } = await import('socket.io-client');
  const socket = io(url.origin, {
    ...ONCE,
    path: `${url.pathname.replace(/\/+$/, '')}${PATH}`,
    extraHeaders: { origin: url.origin },
  });
  try {
    await within(CONNECT_TIMEOUT, untilConnected(socket));
    const [answer] = await send(settings, new Map([[0, { socket }]]));
    return { answered: false, ...answer };
  } finally {
    socket.disconnect();
  }
}

async function holdAll(
  pids: readonly number[],
  address: ClusterFacts['address'],
  pages: Page[],
): Promise<Map<number, Page>> {
  const { io } = await import('socket.io-client');
  const held = new Map<number, Page>();
  while (held.size < pids.length && pages.length < MOST_CONNECTIONS) {
    const round = Array.from({ length: AT_ONCE }, (): Page => {
      const connection = new OneConnection();
      const socket = io(addressOf(address), {
        ...ONCE,
        path: PATH,
        // This option is Node's; the package's types describe a browser.
        agent: connection as unknown as string,
      });
      return { socket, connection };
    });
    pages.push(...round);
    // The package's own time-out ends with the transport: a worker that cannot subscribe never answers after it.
    await Promise.all(round.map(({ socket }) => within(CONNECT_TIMEOUT, untilConnected(socket))));
    const ends = round.map(({ connection }) => connection.lastPort);
    const holders = holdersOf(ends, address.port, pids);
    for (const [index, page] of round.entries()) {
      const holder = holders[index];
      if (holder !== undefined && !held.has(holder)) held.set(holder, page);
    }
  }
  const without = pids.filter((pid) => !held.has(pid));
  if (without.length === 0) return held;
  throw new TuneError(
    `of ${pages.length} connections none went to worker ${without.join(', ')}: it accepts none`,
    EXIT.service,
    ['pm2 reload open-webui'],
  );
}

function untilConnected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', (error) =>
      reject(
        new TuneError(`a WebSocket to the workers failed: ${causeOf(error)}`, EXIT.service, [
          'pm2 logs open-webui shows what they are doing; a proxy must pass Upgrade headers on',
        ]),
      ),
    );
  });
}

/** engine.io-client calls everything "websocket error", and keeps what the WebSocket said in `description`. */
function causeOf(error: Error & { description?: unknown }): string {
  const { description } = error;
  const message =
    typeof description === 'object' && description !== null && 'message' in description
      ? description.message
      : undefined;
  return typeof message === 'string' && message !== '' ? message : error.message;
}

/** python-socketio's own message for an event with an answer (socketio/async_pubsub_manager.py, emit). */
async function send(
  settings: Settings,
  held: ReadonlyMap<number, Pick<Page, 'socket'>>,
): Promise<CrossingFacts['workers']> {
  const broker = await openBroker(settings);
  const hasRooms = settings.get('WEBSOCKET_REDIS_ROOM_CHANNELS')?.value.toLowerCase() !== 'false';
  const sender = `webui-tune-${randomBytes(8).toString('hex')}`;
  const answers = new Set<number>();
  return connected(broker.client(), 4 * ARRIVE_TIMEOUT, (publisher) =>
    connected(broker.client(), 4 * ARRIVE_TIMEOUT, async (listener) => {
      await listener.subscribe(CHANNEL, (text) => {
        const message = parse(text);
        if (message.method === 'callback' && message.host_id === sender) answers.add(Number(message.id));
      });
      const arrivals = [...held].map(([pid, { socket }]) => {
        const arrival: { pid: number; arrivedMs?: number } = { pid };
        let started = 0;
        socket.once(EVENT, (_: unknown, acknowledge?: (text: string) => void) => {
          arrival.arrivedMs = performance.now() - started;
          acknowledge?.('arrived');
        });
        const publish = () => {
          started = performance.now();
          return publisher.publish(
            hasRooms ? `${CHANNEL}#/#${socket.id}` : CHANNEL,
            JSON.stringify({
              method: 'emit',
              event: EVENT,
              data: 'webui-tune',
              binary: false,
              namespace: '/',
              room: socket.id,
              skip_sid: null,
              callback: [socket.id, '/', pid],
              host_id: sender,
            }),
          );
        };
        return { arrival, publish };
      });
      await Promise.all(arrivals.map(({ publish }) => publish()));
      const deadline = performance.now() + ARRIVE_TIMEOUT;
      while (answers.size < held.size && performance.now() < deadline) await sleep(INTERVAL);
      return arrivals.map(({ arrival }) => ({ ...arrival, answered: answers.has(arrival.pid) }));
    }),
  );
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
