/**
 * Keeps PM2's logs of Open WebUI from filling the disk. PM2 starts this program every few minutes (cron_restart). It copies
 * a log and then empties it, as logrotate's `copytruncate` does: PM2 keeps appending to the same file, and need not reopen
 * it. A line that is written between copy and truncation is lost.
 */
import { copyFileSync, existsSync, readdirSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { APPS } from './contract.ts';

/** Bytes beyond which a log is rotated, and how many old copies of it are kept. */
export const LARGEST = 10 * 1024 * 1024;
export const KEPT = 4;

/**
 * Milliseconds after which a log that nobody writes to is emptied and its old copies are removed: PM2 gives new instances new
 * numbers, and never cleans up. The empty file stays, because a quiet process may have it open.
 */
const UNUSED = 30 * 24 * 60 * 60 * 1000;

/** Names of our own logs; other programs may use the same PM2. */
const CURRENT = /^open-webui(?:-[a-z]+)*-(?:out|error)(?:-\d+)?\.log$/;

/** Rotates the logs in `folder` that are too large; returns their names. */
export function rotateLogs(folder: string, now = Date.now(), largest = LARGEST): string[] {
  const rotated: string[] = [];
  for (const name of readdirSync(folder).filter((name) => CURRENT.test(name))) {
    const log = join(folder, name);
    const { size, mtimeMs } = statSync(log);
    if (now - mtimeMs > UNUSED) {
      for (const path of oldOnes(log)) rmSync(path, { force: true });
      if (size > 0) truncateSync(log);
    } else if (size > largest) {
      rotate(log);
      rotated.push(name);
    }
  }
  return rotated;
}

const oldOnes = (log: string) => Array.from({ length: KEPT }, (_, index) => `${log}.${index + 1}`);

function rotate(log: string): void {
  const old = oldOnes(log);
  for (let index = old.length - 1; index > 0; index--) {
    const [from = '', to = ''] = [old[index - 1], old[index]];
    if (existsSync(from)) renameSync(from, to);
  }
  copyFileSync(log, old[0] ?? '');
  truncateSync(log);
}

// PM2 tells each process where its own log is. The others are in the same folder.
const own = process.env.pm_out_log_path;
if (own !== undefined && process.env.name === APPS.logrotate) rotateLogs(dirname(own));
