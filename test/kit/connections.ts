/** Tells which worker holds a connection: all of them accept on one port, so that the port does not. */
import { readFileSync } from 'node:fs';
import { type OneConnection, request } from './http.ts';
import { type ProcessInfo, socketInodes } from './proc.ts';
import { until } from './wait.ts';

const ESTABLISHED = '01';
const ACCEPT_TIMEOUT_MS = 5_000;

/** The inode of the server's end of the connection, from proc_net(5)'s table of TCP sockets. */
function serverInode(serverPort: number, clientPort: number): string | undefined {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)) {
    const [, local, remote, state, , , , , , inode] = line.trim().split(/\s+/);
    const isMatch = local?.endsWith(`:${hex(serverPort)}`) && remote?.endsWith(`:${hex(clientPort)}`);
    if (isMatch && state === ESTABLISHED) return inode;
  }
  return undefined;
}

/** The pid of the worker that has accepted the connection. */
export async function ownerOf(
  connection: { localPort: number },
  serverPort: number,
  workers: () => ProcessInfo[],
): Promise<number> {
  const owner = await until(
    () => {
      const inode = serverInode(serverPort, connection.localPort);
      if (inode === undefined) throw new Error('the connection is closed');
      return workers().find(({ pid }) => socketInodes(pid).has(inode));
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
  open: () => OneConnection,
): Promise<OneConnection> {
  return await until(
    async () => {
      const connection = open();
      await request(`${server.url}/health`, { agent: connection });
      if (isWanted(await ownerOf(connection, server.port, workers))) return connection;
      connection.destroy();
      return undefined;
    },
    { what: 'a connection to the wanted worker', timeoutMs: 20_000, intervalMs: 0 },
  );
}
