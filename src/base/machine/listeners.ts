import { readKernelFile } from './files.ts';
import { ownersOf, type Process } from './processes.ts';

/** State LISTEN in /proc/net/tcp (kernel: include/net/tcp_states.h). */
const LISTEN = '0A';

/** Who listens on a TCP port; undefined: nobody. Empty: somebody whom we may not see. */
export function listenersOn(root: string, port: number): Process[] | undefined {
  const inodes = new Set(
    ['proc/net/tcp', 'proc/net/tcp6'].flatMap((path) => listeningInodes(root, path, port)),
  );
  return inodes.size === 0 ? undefined : ownersOf(root, inodes);
}

/** Line: `0: 0100007F:1F90 00000000:0000 0A … uid timeout inode …` (kernel documentation, proc_net_tcp). */
function listeningInodes(root: string, path: string, port: number): string[] {
  return (readKernelFile(root, path) ?? '').split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const [, local, , state] = fields;
    const inode = fields[9];
    const localPort = Number.parseInt(local?.split(':')[1] ?? '', 16);
    return state === LISTEN && localPort === port && inode !== undefined ? [inode] : [];
  });
}
