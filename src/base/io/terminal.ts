import { createColors } from 'picocolors';

/** The only place that writes to the terminal. */
export interface Terminal {
  /** The result: the ecosystem file, and nothing else. */
  out(text: string): void;
  /** Everything that is meant for people. */
  err(text: string): void;
  colors: ReturnType<typeof createColors>;
}

/** Colours only where somebody sees them; `NO_COLOR` (no-color.org) and `TERM=dumb` are respected. */
export function realTerminal(): Terminal {
  const { NO_COLOR, TERM } = process.env;
  const colored = process.stderr.isTTY === true && !NO_COLOR && TERM !== 'dumb';
  return {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    colors: createColors(colored),
  };
}
