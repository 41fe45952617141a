import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Environment } from './environment.ts';
import { spawnOptions } from './interrupts.ts';

export interface RunResult {
  /** Its exit code; null: a signal has ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Its stdout and stderr, as they came. */
  output: string;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env: Environment;
  cwd?: string;
  /** Written to its stdin. */
  input?: string;
  /** As root: runs it as this user, without root's groups. */
  account?: { uid: number; gid: number } | undefined;
  /** Its file creation mask; default: ours. */
  umask?: number;
  /** Gets each line of stdout and stderr as it comes. */
  onLine?: (line: string) => void;
  /** Gets each line of stdout alone. */
  onOutput?: (line: string) => void;
  /** Milliseconds until it is ended by SIGKILL; default: never. */
  timeout?: number;
  /** Ends it by SIGTERM. What it has written by then is kept, and its exit code is null, as after a time-out. */
  signal?: AbortSignal | undefined;
}

/** Runs a program to its end. Rejects only where it cannot be started. */
export function runProgram(
  command: string,
  args: readonly string[],
  { env, cwd, input, account, umask, onLine, onOutput, timeout, signal }: RunOptions,
): Promise<RunResult> {
  const { detached, signal: interrupt } = spawnOptions();
  const abort = signal ?? interrupt;
  return new Promise((resolve, reject) => {
    const child = withUmask(umask, () =>
      spawn(command, args, {
        env,
        stdio: 'pipe',
        killSignal: 'SIGKILL',
        ...(detached && { detached }),
        ...(cwd !== undefined && { cwd }),
        ...(account && { uid: account.uid, gid: account.gid }),
        ...(timeout !== undefined && { timeout }),
      }),
    );
    const end = () => child.kill();
    abort?.addEventListener('abort', end);
    if (abort?.aborted) end();
    let [output, stdout, stderr] = ['', '', ''];
    const toAll = (text: string) => {
      output += text;
    };
    listen(child.stdout, [toAll, (text) => (stdout += text), byLine(onLine), byLine(onOutput)]);
    listen(child.stderr, [toAll, (text) => (stderr += text), byLine(onLine)]);
    // A program that ends without reading: its exit code tells more than the broken pipe.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      abort?.removeEventListener('abort', end);
      resolve({ code, signal, output, stdout, stderr });
    });
  });
}

function listen(stream: Readable, listeners: readonly ((text: string) => unknown)[]): void {
  stream.setEncoding('utf8');
  for (const listener of listeners) stream.on('data', listener);
}

/** Hands on whole lines. */
function byLine(onLine: ((line: string) => void) | undefined): (text: string) => void {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine?.(line);
  };
}

/** A child inherits the mask of the moment when it is forked, and spawn() forks before it returns. */
function withUmask(
  umask: number | undefined,
  start: () => ChildProcessWithoutNullStreams,
): ChildProcessWithoutNullStreams {
  if (umask === undefined) return start();
  const before = process.umask(umask);
  try {
    return start();
  } finally {
    process.umask(before);
  }
}

/** The last lines that say something. */
export function tailOf(output: string, lines = 12): string {
  return output
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-lines)
    .join('\n');
}

/** The last line: in a traceback of Python, it names the error. */
export function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? '';
}
