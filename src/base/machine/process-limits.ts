import type { Sourced } from './facts.ts';
import { readKernelFile } from './files.ts';

/** proc_pid_limits(5). The hard limit: Node raises its own soft limit to it, and children inherit that. */
export function readOpenFiles(root: string): Sourced | undefined {
  const limits = readKernelFile(root, 'proc/self/limits') ?? '';
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1];
  return hard === undefined ? undefined : { value: Number(hard), source: '/proc/self/limits' };
}

/** The kernel cuts every listen() down to it (listen(2)). */
export function readSomaxconn(root: string): Sourced | undefined {
  const source = '/proc/sys/net/core/somaxconn';
  const text = readKernelFile(root, source) ?? '';
  return /^\d+$/.test(text) ? { value: Number(text), source } : undefined;
}
