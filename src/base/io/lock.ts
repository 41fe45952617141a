import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, systemCode, TuneError } from '../errors.ts';

/** Milliseconds between two attempts, and until we give up: what is waited for takes a few. */
const RETRY = 20;
const PATIENCE = 5_000;

/**
 * Runs `work` while nobody else does so with the same lock file; waits for who holds it. A lock whose owner is dead is
 * taken over. Throws TuneError if it does not become free, or cannot be written.
 */
export async function withLock<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  const until = Date.now() + PATIENCE;
  while (!take(path)) {
    if (Date.now() > until) throw held(path, 'another webui-tune does not end');
    await sleep(RETRY);
  }
  return whileHeld(path, work);
}

/** The same for work that takes long: whoever comes second is told so at once, in the words of `problem`. */
export async function holdLock<T>(path: string, problem: string, work: () => Promise<T>): Promise<T> {
  if (!take(path)) throw held(path, problem);
  return whileHeld(path, work);
}

/** Whether the lock is ours now. Throws TuneError where there can be none. */
function take(path: string): boolean {
  // The second attempt is for a lock whose owner is dead.
  for (const again of [true, false]) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 });
      return true;
    } catch (error) {
      const code = systemCode(error);
      if (code !== 'EEXIST') throw new TuneError(`${path} cannot be written: ${code ?? error}`, EXIT.output);
      if (again && isAbandoned(path)) rmSync(path, { force: true });
    }
  }
  return false;
}

async function whileHeld<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function held(path: string, problem: string): TuneError {
  return new TuneError(`${problem}${ownerOf(path)}`, EXIT.service, [
    `wait until it has ended; where there is none: rm ${path}`,
  ]);
}

function ownerOf(path: string): string {
  try {
    return ` (process ${readFileSync(path, 'utf8')})`;
  } catch {
    return '';
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
