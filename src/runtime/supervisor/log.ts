/** What a supervisor writes into PM2's log files: its own lines, and its worker's output. */

import { LogLoss } from './log-loss.ts';

export const instance = process.env.NODE_APP_INSTANCE ?? '0';

/** What could not be written, since when, and why. */
export const loss = new LogLoss();

// PM2 writes its log files in the background: an exit at once would lose the reason for it.
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
 * Tries to write a line on how many entries are lost; call it now and then. `reopen` opens the host's log files anew, because
 * Node gives a stream up that could not write.
 */
export function retryLog(reopen: () => void): void {
  const words = loss.inWords();
  if (words === undefined) return;
  reopen();
  // The files are opened in the background; a stream that has been given up fails at once.
  setTimeout(() => {
    process.stderr.write(`[supervisor ${instance}] ${words}\n`, (error) => {
      if (error) return;
      // stdout has a file of its own, which may be the one that cannot be written.
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
  // A full disk must not keep this process alive.
  setTimeout(onWritten, 1000);
}

/** An event of normal running. */
export function say(message: string): void {
  write(process.stdout, `[supervisor ${instance}] ${message}\n`);
}

/** Something that a person has to look at. */
export function complain(message: string): void {
  write(process.stderr, `[supervisor ${instance}] ${message}\n`);
}
