/**
 * Keeps PM2's logs of Open WebUI from filling the disk: PM2 runs it every few minutes (cron_restart), and it ends. A
 * log is copied and then emptied, as logrotate's `copytruncate` does: PM2 goes on appending to it, so that nothing has
 * to be told to reopen its files; a line that comes between the two is lost.
 */
import { copyFileSync, existsSync, readdirSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { APPS } from './contract.ts';

/** Bytes of a log from which it is rotated, and how many old ones of it stay. */
export const LARGEST = 10 * 1024 * 1024;
export const KEPT = 4;

/**
 * Milliseconds after which a log that nobody writes to is emptied, and its old ones are removed: PM2 numbers its instances
 * on and on. It stays as a file: somebody quiet may have it open.
 */
const UNUSED = 30 * 24 * 60 * 60 * 1000;

/** A log of ours, and of nobody else's who uses the same PM2. */
const CURRENT = /^open-webui(?:-[a-z]+)*-(?:out|error)(?:-\d+)?\.log$/;

/** Rotates what is too large in `folder`; the names of the logs that were. */
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

// PM2 tells every process where its own log is; the others lie beside it.
const own = process.env.pm_out_log_path;
if (own !== undefined && process.env.name === APPS.logrotate) rotateLogs(dirname(own));
