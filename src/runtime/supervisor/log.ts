/** What a supervisor writes into PM2's log files: its own lines, and its worker's output. */

import { LogLoss } from './log-loss.ts';

export const instance = process.env.NODE_APP_INSTANCE ?? '0';

/** What could not be written, since when, and why. */
export const loss = new LogLoss();

// PM2 writes its log files in the background; to exit at once would lose the reason of the exit.
let unwritten = 0;
let onWritten = () => {};

export function write(stream: NodeJS.WriteStream, text: string): void {
  unwritten += 1;
  stream.write(text, (error) => {
    if (error) loss.failed(error);
    unwritten -= 1;
    if (unwritten === 0) onWritten();
  });
}

/**
 * Writes again what was lost of the log, in one line; to be called now and then while `loss` has something. `reopen` is
 * the host's way to open its log files anew: Node gives a stream up that could not write.
 */
export function retryLog(reopen: () => void): void {
  const words = loss.inWords();
  if (words === undefined) return;
  reopen();
  // The files are opened in the background; a stream that is given up says so at once.
  setTimeout(() => {
    process.stderr.write(`[supervisor ${instance}] ${words}\n`, (error) => {
      if (error) return;
      // A file of its own, which may be the one that cannot be written.
      process.stdout.write(`[supervisor ${instance}] the log is written again\n`, (error) => {
        if (!error) loss.over();
      });
    });
  }, REOPEN_MS).unref();
}

/** Milliseconds that it may take to open a file. */
const REOPEN_MS = 500;

export function exitOnceWritten(code: number): void {
  onWritten = () => process.exit(code);
  if (unwritten === 0) onWritten();
  // A full disk must not keep a dead instance.
  setTimeout(onWritten, 1000);
}

/** An event of normal running. */
export function say(message: string): void {
  write(process.stdout, `[supervisor ${instance}] ${message}\n`);
}

/** What a person has to look at. */
export function complain(message: string): void {
  write(process.stderr, `[supervisor ${instance}] ${message}\n`);
}
