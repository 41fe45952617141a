/** Tells which worker holds a connection. The port does not tell, because all of them accept on the same one. */
import { until } from '../../base/io/wait.ts';
import type { ProcessInfo } from '../../base/machine/process-table.ts';
import { readSockets, type SocketEntry, socketsOf } from '../../base/machine/sockets.ts';
import { OneConnection, request } from './http.ts';

const ACCEPT_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 20_000;

/** Both ends of the established connections within this machine; those that no worker has accepted yet have one. */
function connectedSockets(): SocketEntry[] {
  return [...readSockets('/').values()].filter(({ state }) => state === 'connected');
}

function serverEnds(serverPort: number): SocketEntry[] {
  return connectedSockets().filter(({ localPort }) => localPort === serverPort);
}

/** How many connections each worker holds at this moment. */
export function connectionsByWorker(serverPort: number, workers: ProcessInfo[]): Map<number, number> {
  const inodes = serverEnds(serverPort).map(({ inode }) => inode);
  return new Map(
    workers.map(({ pid }) => {
      const held = socketsOf('/', pid);
      return [pid, inodes.filter((inode) => held.has(inode)).length];
    }),
  );
}

/** The clients' ports of the connections that the worker has accepted. */
export function clientPortsOf(pid: number, serverPort: number): Set<number> {
  const held = socketsOf('/', pid);
  const ends = serverEnds(serverPort).filter(({ inode }) => held.has(inode));
  return new Set(ends.flatMap(({ remotePort }) => remotePort ?? []));
}

/** For each of these ports, the worker that has connected from it to somewhere else; undefined: none of them. */
export function ownersOfClientEnds(ports: number[], workers: ProcessInfo[]): (number | undefined)[] {
  const ends = connectedSockets();
  const held = workers.map(({ pid }) => ({ pid, inodes: socketsOf('/', pid) }));
  return ports.map((port) => {
    const end = ends.find(({ localPort }) => localPort === port);
    return end && held.find(({ inodes }) => inodes.has(end.inode))?.pid;
  });
}

/** The pid of the worker that has accepted the connection. */
export async function ownerOf(
  connection: { localPort: number },
  serverPort: number,
  workers: () => ProcessInfo[],
): Promise<number> {
  const owner = await until(
    () => {
      const end = serverEnds(serverPort).find(({ remotePort }) => remotePort === connection.localPort);
      if (!end) throw new Error('the connection is closed, or not accepted yet');
      return workers().find(({ pid }) => socketsOf('/', pid).has(end.inode));
    },
    { what: `a worker holds the connection from port ${connection.localPort}`, timeoutMs: ACCEPT_TIMEOUT_MS },
  );
  return owner.pid;
}

/** Opens connections until one is held by a worker that is wanted; returns it, still open. */
export async function connectTo(
  isWanted: (pid: number) => boolean,
  server: { url: string; port: number },
  workers: () => ProcessInfo[],
): Promise<OneConnection> {
  return await until(
    async () => {
      const connection = new OneConnection();
      await request(`${server.url}/health`, { agent: connection });
      if (isWanted(await ownerOf(connection, server.port, workers))) return connection;
      connection.destroy();
      return undefined;
    },
    { what: 'a connection to the wanted worker', timeoutMs: CONNECT_TIMEOUT_MS, intervalMs: 0 },
  );
}
