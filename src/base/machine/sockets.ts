import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { readKernelFile } from './files.ts';

/** States of /proc/net/tcp (kernel: include/net/tcp_states.h), and of a connected one in /proc/net/unix. */
const ESTABLISHED = '01';
const LISTEN = '0A';
const UNIX_CONNECTED = '03';

/** A socket of the tables below /proc/net, by its inode. */
export interface SocketEntry {
  inode: string;
  state: 'listening' | 'connected';
  /** Ports; undefined for a UNIX socket. */
  localPort?: number;
  remotePort?: number;
}

/** TCP and UNIX sockets that listen or are connected (kernel documentation, proc_net_tcp; proc_pid_net(5)). */
export function readSockets(root: string): Map<string, SocketEntry> {
  const entries = [
    ...['proc/net/tcp', 'proc/net/tcp6'].flatMap((path) => tcpSockets(readKernelFile(root, path) ?? '')),
    ...unixSockets(readKernelFile(root, 'proc/net/unix') ?? ''),
  ];
  return new Map(entries.map((entry) => [entry.inode, entry]));
}

function tcpSockets(table: string): SocketEntry[] {
  return table.split('\n').flatMap((line): SocketEntry[] => {
    const [, local, remote, state, , , , , , inode] = line.trim().split(/\s+/);
    // "0" until it is accepted.
    if (inode === undefined || inode === '0') return [];
    const ports = { localPort: portOf(local), remotePort: portOf(remote) };
    if (state === LISTEN) return [{ inode, state: 'listening', ...ports }];
    return state === ESTABLISHED ? [{ inode, state: 'connected', ...ports }] : [];
  });
}

/** Line: `0000000000000000: 00000003 00000000 00000000 0001 03 12345 /path`. */
function unixSockets(table: string): SocketEntry[] {
  return table.split('\n').flatMap((line): SocketEntry[] => {
    const [, , , , , state, inode] = line.trim().split(/\s+/);
    return state === UNIX_CONNECTED && inode !== undefined && /^\d+$/.test(inode)
      ? [{ inode, state: 'connected' }]
      : [];
  });
}

/** Inodes of the sockets that a process holds beside stdin, stdout and stderr, as far as we may look. */
export function socketsOf(root: string, pid: number): Set<string> {
  const links = openFilesOf(root, pid).filter(({ descriptor }) => descriptor > 2);
  return new Set(links.flatMap(({ target }) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []));
}

/** The descriptors of a process, and what they are as the kernel names it; empty where we may not look. */
export function openFilesOf(root: string, pid: number): { descriptor: number; target: string }[] {
  const folder = join(root, `proc/${pid}/fd`);
  try {
    return readdirSync(folder).flatMap((name) => {
      try {
        return [{ descriptor: Number(name), target: readlinkSync(join(folder, name)) }];
      } catch {
        return []; // closed by now
      }
    });
  } catch {
    return [];
  }
}

function portOf(address = ''): number {
  return Number.parseInt(address.slice(address.lastIndexOf(':') + 1), 16);
}
