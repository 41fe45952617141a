import { ownersOf, type Process } from './processes.ts';
import { readSockets } from './sockets.ts';

/** Who listens on a TCP port; undefined: nobody. Empty: somebody whom we may not see. */
export function listenersOn(root: string, port: number): Process[] | undefined {
  const listening = [...readSockets(root).values()].filter(
    ({ state, localPort }) => state === 'listening' && localPort === port,
  );
  return listening.length === 0 ? undefined : ownersOf(root, new Set(listening.map(({ inode }) => inode)));
}
