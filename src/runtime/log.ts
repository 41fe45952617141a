/** What a supervisor writes into PM2's log files: its own lines, and its worker's output. */

export const instance = process.env.NODE_APP_INSTANCE ?? '0';

// PM2 writes its log files in the background; to exit at once would lose the reason of the exit.
let unwritten = 0;
let onWritten = () => {};

export function write(stream: NodeJS.WriteStream, text: string): void {
  unwritten += 1;
  stream.write(text, () => {
    unwritten -= 1;
    if (unwritten === 0) onWritten();
  });
}

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
