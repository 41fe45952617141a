/** Tells which worker holds a connection: all of them accept on one port, so that the port does not. */
import { readFileSync } from 'node:fs';
import { until } from '../../base/io/wait.ts';
import { type ProcessInfo, socketInodes } from '../../base/machine/process-table.ts';
import { OneConnection, request } from './http.ts';

const ESTABLISHED = '01';
const ACCEPT_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 20_000;

interface End {
  localPort: number;
  remotePort: number;
  /** "0" until a worker has accepted the connection. */
  inode: string;
}

/** The established connections, from proc_net(5)'s table of TCP sockets: both ends of those within this machine. */
function establishedEnds(): End[] {
  const ends: End[] = [];
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)) {
    const [, local, remote, state, , , , , , inode] = line.trim().split(/\s+/);
    if (state !== ESTABLISHED || inode === undefined) continue;
    ends.push({ localPort: portOf(local), remotePort: portOf(remote), inode });
  }
  return ends;
}

function serverEnds(serverPort: number): End[] {
  return establishedEnds().filter(({ localPort }) => localPort === serverPort);
}

function portOf(address = ''): number {
  return Number.parseInt(address.split(':')[1] ?? '', 16);
}

/** How many connections each worker holds at this moment. */
export function connectionsByWorker(serverPort: number, workers: ProcessInfo[]): Map<number, number> {
  const inodes = serverEnds(serverPort).map(({ inode }) => inode);
  return new Map(
    workers.map(({ pid }) => {
      const held = socketInodes(pid);
      return [pid, inodes.filter((inode) => held.has(inode)).length];
    }),
  );
}

/** The clients' ports of the connections that the worker has accepted. */
export function clientPortsOf(pid: number, serverPort: number): Set<number> {
  const held = socketInodes(pid);
  const ends = serverEnds(serverPort).filter(({ inode }) => held.has(inode));
  return new Set(ends.map(({ remotePort }) => remotePort));
}

/** For each of these ports, the worker that has connected from it to somewhere else; undefined: none of them. */
export function ownersOfClientEnds(ports: number[], workers: ProcessInfo[]): (number | undefined)[] {
  const ends = establishedEnds();
  const held = workers.map(({ pid }) => ({ pid, inodes: socketInodes(pid) }));
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
      if (!end) throw new Error('the connection is closed');
      return workers().find(({ pid }) => socketInodes(pid).has(end.inode));
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
