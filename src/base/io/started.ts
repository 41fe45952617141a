/** Starts programs so that each is ended with its scope, by its pid, whatever happens before. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { isAlive, type ProcessId, processTree, readProcess } from '../machine/process-table.ts';
import type { Scope } from './scope.ts';
import { until } from './wait.ts';

const END_TIMEOUT_MS = 10_000;
const LOG_TAIL_CHARACTERS = 2_000;

/** Last resorts for when this process ends without having closed its scopes. They have to be synchronous. */
const emergencies = new Set<() => void>();
let isArmed = false;

function arm(): void {
  isArmed = true;
  process.on('exit', () => {
    for (const end of emergencies) end();
  });
  // By default a signal ends the process without the event 'exit'. A program that listens already handles it itself.
  for (const [name, number] of Object.entries({ SIGHUP: 1, SIGINT: 2, SIGTERM: 15 })) {
    // `on`, not `once`: a parent may pass on a signal that we got too, and the second one would end us at once.
    if (process.listenerCount(name) === 0) process.on(name, () => process.exit(128 + number));
  }
}

/** Registers a last resort; the returned function takes it back. */
export function onEmergency(end: () => void): () => void {
  if (!isArmed) arm();
  emergencies.add(end);
  return () => emergencies.delete(end);
}

export function signal(id: ProcessId, name: NodeJS.Signals): void {
  if (!isAlive(id)) return;
  try {
    process.kill(id.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Waits until none of the processes is left. */
export async function untilGone(ids: ProcessId[], timeoutMs: number): Promise<void> {
  await until(() => !ids.some(isAlive), {
    what: `the end of processes ${ids.map(({ pid }) => pid).join(', ')}`,
    timeoutMs,
  });
}

/** Kills what is left of the processes and waits until they are gone. */
export async function killAll(ids: ProcessId[]): Promise<void> {
  for (const id of ids) signal(id, 'SIGKILL');
  await untilGone(ids, END_TIMEOUT_MS);
}

export interface StartOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Takes stdout and stderr. */
  log: string;
  /** The signal that asks it to end. */
  endSignal?: NodeJS.Signals;
  /** User and group to run as, for programs that refuse to be root's. */
  uid?: number | undefined;
  /** Whether it is kept from the terminal's signals: Ctrl-C reaches only us, and we end it in order. */
  detached?: boolean;
  /** A Node program's messages to its parent. */
  onMessage?: (message: unknown) => void;
}

export interface StartedProcess extends ProcessId {
  log: string;
  stop(): Promise<void>;
}

/** Starts a program with the given environment and PATH alone. */
export async function startProcess(
  scope: Scope,
  command: string,
  args: string[],
  { env = {}, cwd, log, endSignal = 'SIGTERM', uid, detached = false, onMessage }: StartOptions,
): Promise<StartedProcess> {
  const output = openSync(log, 'a');
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', output, output, ...(onMessage ? (['ipc'] as const) : [])],
    detached,
    ...(uid !== undefined && { uid, gid: uid }),
  });
  closeSync(output);
  if (onMessage) child.on('message', onMessage);
  // Before the first await, because we may be asked to end meanwhile. spawn() returns once the program runs.
  const id = child.pid === undefined ? undefined : readProcess(child.pid);
  const cancel = onEmergency(() => {
    for (const member of id && isAlive(id) ? processTree(id.pid) : []) signal(member, 'SIGKILL');
  });
  try {
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    if (!id) throw new Error(`${child.spawnfile} ended at once`);
  } catch (error) {
    cancel();
    throw error;
  }
  const stop = async () => {
    const tree = isAlive(id) ? processTree(id.pid) : [];
    signal(id, endSignal);
    // Whether a server ends when it is asked to is not tested here.
    await untilGone([id], END_TIMEOUT_MS).catch(() => undefined);
    await killAll(tree);
    cancel();
  };
  scope.defer(`${command} (pid ${id.pid})`, stop);
  return { pid: id.pid, startTime: id.startTime, log, stop };
}

/** Waits for a server to answer, no longer than it lives. An error has the end of its log. */
export async function untilServing(
  server: StartedProcess,
  isServing: () => boolean | Promise<boolean>,
  { what, timeoutMs }: { what: string; timeoutMs: number },
): Promise<void> {
  try {
    await until(async () => !isAlive(server) || (await isServing()), { what, timeoutMs });
    if (!isAlive(server)) throw new Error(`not: ${what}; the process ended`);
  } catch (cause) {
    throw new Error(`${(cause as Error).message}\n${logTail(server.log)}`, { cause });
  }
}

export function logTail(log: string): string {
  return readFileSync(log, 'utf8').slice(-LOG_TAIL_CHARACTERS);
}
