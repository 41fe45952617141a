import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Pm2Process } from './client.ts';

/** Bytes at the end of a log that are looked at. */
const TAIL_BYTES = 16 * 1024;
const TAIL_LINES = 15;

/** The end of what a process has logged, its errors first. */
export function logTail({ pm2_env }: Pm2Process): string {
  const tails = [pm2_env.pm_err_log_path, pm2_env.pm_out_log_path].map((path) => (path ? endOf(path) : ''));
  return tails.filter(Boolean).join('\n') || 'it has logged nothing';
}

/** The last lines of a file, or as many as 16 KiB hold; what is before byte `from` is left out. */
export function endOf(path: string, { from = 0, lines = TAIL_LINES } = {}): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(file);
    // A log that has been rotated meanwhile is shorter, and new.
    const fresh = size < from ? size : size - from;
    const buffer = Buffer.alloc(Math.min(fresh, TAIL_BYTES));
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    closeSync(file);
  }
}
