/** Starts programs so that each is ended at the end of the test file, by its pid, whatever happens before. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { isAlive, type ProcessId, processTree, readProcess } from './proc.ts';
import type { Scope } from './scope.ts';
import { until } from './wait.ts';

const END_TIMEOUT_MS = 10_000;
const LOG_TAIL_CHARACTERS = 2_000;

/** Run when this process ends without having closed its scopes; they have to be synchronous. */
const emergencies = new Set<() => void>();
process.on('exit', () => {
  for (const end of emergencies) end();
});
// A signal's default is to end the process without 'exit'.
for (const [name, number] of Object.entries({ SIGHUP: 1, SIGINT: 2, SIGTERM: 15 })) {
  process.once(name, () => process.exit(128 + number));
}

/** Registers a last resort; the returned function takes it back. */
export function onEmergency(end: () => void): () => void {
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

interface StartOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Takes stdout and stderr. */
  log: string;
  /** What asks it to end. */
  endSignal?: NodeJS.Signals;
  /** User and group to run as, for programs that refuse to be root's. */
  uid?: number | undefined;
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
  { env = {}, cwd, log, endSignal = 'SIGTERM', uid }: StartOptions,
): Promise<StartedProcess> {
  const output = openSync(log, 'a');
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', output, output],
    ...(uid !== undefined && { uid, gid: uid }),
  });
  closeSync(output);
  const id = await identify(child);
  const cancel = onEmergency(() => {
    for (const member of processTree(id.pid)) signal(member, 'SIGKILL');
  });
  const stop = async () => {
    const tree = isAlive(id) ? processTree(id.pid) : [];
    signal(id, endSignal);
    // A server that does not end when it is asked to is not what is tested here.
    await untilGone([id], END_TIMEOUT_MS).catch(() => undefined);
    await killAll(tree);
    cancel();
  };
  scope.defer(`${command} (pid ${id.pid})`, stop);
  return { ...id, log, stop };
}

async function identify(child: ChildProcess): Promise<ProcessId> {
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  const info = child.pid === undefined ? undefined : readProcess(child.pid);
  if (!info) throw new Error(`${child.spawnfile} ended at once`);
  return { pid: info.pid, startTime: info.startTime };
}

/** Waits for a server to answer; an error holds the end of its log. A server that ended is not waited for. */
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
