import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { EXIT, TuneError } from '../errors.ts';

/** Whether there is somebody who can answer. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/**
 * Asks on stderr; the answer without white space around it. One that is `hidden` does not appear on the screen while it is
 * typed. Throws TuneError where there is none (Ctrl-C, Ctrl-D).
 */
export async function ask(question: string, { hidden = false } = {}): Promise<string> {
  const output = hidden ? new Writable({ write: (_, __, done) => done() }) : process.stderr;
  // As a terminal it turns off the terminal's own echo, and has to have done so before anybody is asked.
  const lines = createInterface({ input: process.stdin, output, ...(hidden && { terminal: true }) });
  if (hidden) process.stderr.write(`${question} `);
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
        if (hidden) process.stderr.write('\n');
        resolve(answer.trim());
      }, reject);
    });
  } finally {
    lines.close();
  }
}
