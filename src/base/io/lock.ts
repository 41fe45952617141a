import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, systemCode, TuneError } from '../errors.ts';
import { readProcess } from '../machine/process-table.ts';
import { textOf, textOrUndefined } from './read.ts';
import { statOrUndefined } from './stat.ts';

/** Milliseconds between two attempts, and until we give up: what is waited for takes a few. */
const RETRY = 20;
const PATIENCE = 5_000;

/** Milliseconds after which a lock without its owner's name is abandoned: the name is written right after the file is made. */
const UNNAMED = 2_000;

/** Somebody else holds a lock. */
export class LockHeld extends TuneError {}

/**
 * Runs `work` while nobody else does so with the same lock file; waits for who holds it. A lock whose owner is dead is
 * taken over. Throws TuneError if it does not become free, or cannot be written.
 */
export async function withLock<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  const until = performance.now() + PATIENCE;
  while (!take(path)) {
    if (performance.now() > until) throw held(path, 'another webui-tune does not end');
    await sleep(RETRY);
  }
  return whileHeld(path, work);
}

/** The same for work that takes long: whoever comes second is told so at once, in the words of `problem`. */
export async function holdLock<T>(path: string, problem: string, work: () => Promise<T>): Promise<T> {
  if (!take(path)) throw held(path, problem);
  return whileHeld(path, work);
}

/**
 * Whether the lock is ours now. One that is abandoned is removed only by the holder of a second lock, who looks again:
 * whoever removed it at once might remove the lock of another who was faster. Throws TuneError where there can be none.
 */
function take(path: string): boolean {
  if (create(path)) return true;
  if (!isAbandoned(path)) return false;
  const second = `${path}.break`;
  if (!take(second)) return false;
  try {
    if (isAbandoned(path)) rmSync(path, { force: true });
    return create(path);
  } finally {
    rmSync(second, { force: true });
  }
}

/** Makes the file with our name in it; false where it is there. */
function create(path: string): boolean {
  try {
    const file = openSync(path, 'wx', 0o600);
    try {
      writeFileSync(file, `${process.pid} ${startTimeOf(process.pid)}`);
    } catch (error) {
      // A full disk: an empty file would hold up everybody.
      rmSync(path, { force: true });
      throw error;
    } finally {
      closeSync(file);
    }
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST') return false;
    throw new TuneError(`${path} cannot be written: ${code ?? error}`, EXIT.output);
  }
}

async function whileHeld<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function held(path: string, problem: string): LockHeld {
  return new LockHeld(`${problem}${ownerOf(path)}`, EXIT.service, [
    `wait until it has ended; where there is none: rm ${path}`,
  ]);
}

function ownerOf(path: string): string {
  const [pid] = textOf(path).split(' ');
  return pid ? ` (process ${pid})` : '';
}

/** Whether its owner is dead, or died before its name was written. */
function isAbandoned(path: string): boolean {
  const text = textOrUndefined(path);
  if (text === undefined) return false; // free by now
  const [pid, startTime] = text.split(' ');
  if (!(Number(pid) > 0)) return Date.now() - (statOrUndefined(path)?.mtimeMs ?? Date.now()) > UNNAMED;
  if (!isThere(Number(pid))) return true;
  // Another process may have got the number since.
  const itsTime = startTimeOf(Number(pid));
  return Boolean(startTime && itsTime) && startTime !== itsTime;
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}

/** Empty where the system has no /proc. */
function startTimeOf(pid: number): string {
  return readProcess(pid)?.startTime ?? '';
}
