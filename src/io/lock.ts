import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode } from '../errors.ts';

/** Milliseconds between two attempts, and until we give up: what is done under a lock takes a few. */
const RETRY = 20;
const PATIENCE = 5_000;

/**
 * Runs `work` while nobody else does so with the same lock file. A lock whose owner is dead is taken over. Throws if the
 * lock does not become free, or for system errors of the file.
 */
export async function withLock<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  const until = Date.now() + PATIENCE;
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 });
      break;
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
      if (isAbandoned(path)) rmSync(path, { force: true });
      else if (Date.now() > until)
        throw new Error(`${path} is held by another webui-tune; remove it if there is none`);
      else await sleep(RETRY);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function isAbandoned(path: string): boolean {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    if (!Number.isInteger(pid) || pid <= 0) return false; // its owner is about to write it
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return systemCode(error) === 'ESRCH';
  }
}
