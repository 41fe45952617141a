/** Draws on the terminal in place (ECMA-48, and xterm's private modes), and gives it back as it was. */

/** Switches to the alternate screen without a cursor, and back. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';

/** A terminal that knows these shows what is between them at once; others ignore them. */
const BEGIN = '\x1b[?2026h\x1b[H';
const END = '\x1b[J\x1b[?2026l';

/** To the end of the line. */
const CLEAR = '\x1b[K';

/** Keys that end it. A raw terminal sends Ctrl-C as the character ETX. */
const QUIT = ['q', 'Q', '\x03'];

/** Columns and lines where the terminal does not report its size. */
const USUAL = { columns: 80, rows: 24 };

export interface Screen {
  readonly width: number;
  readonly height: number;
  /** Replaces what is shown. */
  draw(lines: readonly string[]): void;
  close(): void;
}

interface Events {
  /** q, Ctrl-C, or a signal. */
  onQuit(): void;
  onResize(): void;
}

/** Takes over the terminal until `close`. It is also given back when the process ends, except by SIGKILL. */
export function openScreen({ onQuit, onResize }: Events): Screen {
  const { stdin, stdout } = process;
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let isOpen = true;
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    process.off('exit', close);
    for (const signal of signals) process.off(signal, onQuit);
    stdout.off('resize', onResize);
    stdin.off('data', onKeys);
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
    stdout.write(LEAVE);
  };
  const onKeys = (keys: Buffer) => {
    if (QUIT.some((key) => keys.includes(key))) onQuit();
  };
  process.on('exit', close);
  for (const signal of signals) process.on(signal, onQuit);
  stdout.on('resize', onResize);
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.on('data', onKeys);
  stdout.write(ENTER);
  return {
    get width() {
      return stdout.columns || USUAL.columns;
    },
    get height() {
      return stdout.rows || USUAL.rows;
    },
    draw: (lines) => stdout.write(`${BEGIN}${lines.map((line) => `${line}${CLEAR}`).join('\r\n')}${END}`),
    close,
  };
}
