import { createInterface } from 'node:readline/promises';
import { EXIT, TuneError } from '../errors.ts';

/** Whether there is somebody who can answer. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/**
 * Asks on stderr, and returns the answer without white space around it. Throws TuneError where there is none (Ctrl-C,
 * Ctrl-D).
 */
export async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise((resolve, reject) => {
      // The question itself would wait for ever.
      const giveUp = () => {
        process.stderr.write('\n');
        reject(new TuneError('no answer: nothing was done', EXIT.usage));
      };
      lines.once('close', giveUp);
      lines.question(`${question} `).then((answer) => {
        lines.off('close', giveUp);
        resolve(answer.trim());
      }, reject);
    });
  } finally {
    lines.close();
  }
}
