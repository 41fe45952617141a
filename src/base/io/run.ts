import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Environment } from './environment.ts';

export interface RunResult {
  code: number | null;
  /** Its stdout and stderr, as they came. */
  output: string;
  /** Its stdout alone. */
  stdout: string;
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
  /** Gets each line as it comes. */
  onLine?: (line: string) => void;
  /** Ends it early. */
  signal?: AbortSignal | undefined;
}

/** Runs a program to its end. Rejects only where it cannot be started, or is ended by `signal`. */
export function runProgram(
  command: string,
  args: readonly string[],
  { env, cwd, input, account, umask, onLine, signal }: RunOptions,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = withUmask(umask, () =>
      spawn(command, args, {
        env,
        stdio: 'pipe',
        ...(cwd !== undefined && { cwd }),
        ...(account && { uid: account.uid, gid: account.gid }),
        ...(signal && { signal }),
      }),
    );
    let output = '';
    let stdout = '';
    child.stdout.on('data', (text: string) => {
      stdout += text;
    });
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) onLine?.(line);
      });
    }
    // A program that ends without reading: its exit code tells more than the broken pipe.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output, stdout }));
  });
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
