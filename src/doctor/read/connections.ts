import { addressOf } from '../../base/io/address.ts';
import { readSockets, socketsOf } from '../../base/machine/sockets.ts';
import { OneConnection, request } from '../../bench/client/http.ts';
import type { ClusterFacts } from './cluster.ts';

/** The most connections that are opened so that each worker takes one, and how many at once. */
export const MOST_CONNECTIONS = 60;
export const AT_ONCE = 4;

/** Milliseconds that a worker may take for the first answer on a connection. */
const CONNECT_TIMEOUT = 5_000;

export interface HeldConnections {
  /** One for each worker that took any. */
  held: ReadonlyMap<number, OneConnection>;
  opened: number;
  close(): void;
}

/** For each of our connections to `port`, which of `pids` holds the other end, as the kernel says. */
export function holdersOf(
  ends: readonly (number | undefined)[],
  port: number,
  pids: readonly number[],
): (number | undefined)[] {
  const entries = [...readSockets('/').values()];
  return ends.map((localPort) => {
    const end = entries.find(
      (entry) => entry.state === 'connected' && entry.localPort === port && entry.remotePort === localPort,
    );
    return end && pids.find((pid) => socketsOf('/', pid).has(end.inode));
  });
}

/** Opens connections until every worker holds one, or MOST_CONNECTIONS are open. Rejects where none answers. */
export async function connectToEach(
  pids: readonly number[],
  address: ClusterFacts['address'],
): Promise<HeldConnections> {
  const opened: OneConnection[] = [];
  const held = new Map<number, OneConnection>();
  const close = () => {
    for (const connection of opened) connection.destroy();
  };
  try {
    while (held.size < pids.length && opened.length < MOST_CONNECTIONS) {
      const round = Array.from({ length: AT_ONCE }, () => new OneConnection());
      opened.push(...round);
      // The first answer says that a worker has taken it.
      await Promise.all(
        round.map((agent) => request(`${addressOf(address)}/health`, { agent, timeoutMs: CONNECT_TIMEOUT })),
      );
      const holders = holdersOf(
        round.map(({ lastPort }) => lastPort),
        address.port,
        pids,
      );
      for (const [index, connection] of round.entries()) {
        const holder = holders[index];
        if (holder !== undefined && !held.has(holder)) held.set(holder, connection);
      }
    }
  } catch (error) {
    close();
    throw error;
  }
  return { held, opened: opened.length, close };
}
