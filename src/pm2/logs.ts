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

function endOf(path: string): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  } finally {
    closeSync(file);
  }
}
