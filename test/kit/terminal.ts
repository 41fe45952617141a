/** A program on a terminal of its own (script(1)), and the answers of a person there. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { until } from '../../src/base/io/wait.ts';

export interface Answer {
  /** What the program has to ask before. */
  question: string;
  /** What is typed; `\r` is the return key, `\u0003` Ctrl-C, `\u0004` Ctrl-D. */
  typed: string;
}

export interface Session {
  code: number;
  /** All that was on the screen. */
  screen: string;
}

/** Runs the command to its end. An answer that nobody asks for is an error, and ends the program. */
export async function onTerminal(
  command: readonly string[],
  answers: readonly Answer[],
  { cwd, env, timeoutMs }: { cwd: string; env: Record<string, string>; timeoutMs: number },
): Promise<Session> {
  const words = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const child = spawn('/usr/bin/script', ['--quiet', '--return', '--command', words, '/dev/null'], {
    cwd,
    // script(1) runs the command with this shell.
    env: { ...env, SHELL: '/bin/sh', TERM: 'xterm' },
    stdio: 'pipe',
  });
  let screen = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      screen += text;
    });
  }
  const ended = once(child, 'close');
  try {
    let seen = 0;
    for (const { question, typed } of answers) {
      await until(
        () => {
          const at = screen.indexOf(question, seen);
          if (at < 0 && child.exitCode !== null) throw new Error(`it ended; on its screen:\n${screen}`);
          if (at < 0) return false;
          seen = at + question.length;
          return true;
        },
        { what: `${JSON.stringify(question)} is asked`, timeoutMs },
      );
      child.stdin.write(typed);
    }
    await until(() => child.exitCode !== null, { what: 'the end of the program', timeoutMs });
    await ended;
    return { code: child.exitCode ?? -1, screen };
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`${(error as Error).message}\n${screen}`, { cause: error });
  }
}
