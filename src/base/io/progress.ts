import type { Terminal } from './terminal.ts';

/** Characters of the bar. */
const WIDTH = 24;

/** Milliseconds between two drawings of the seconds. */
const INTERVAL = 1_000;

export interface Progress {
  /** What is done now, and the share of the whole that is done by then, from 0 to 1. */
  tell(text: string, share: number): void;
  end(): void;
}

/** A bar on stderr that is drawn over on a terminal; elsewhere a line for each thing that is done. */
export function startProgress(
  { err, colors }: Terminal,
  { isTTY, columns = 80 }: { isTTY?: boolean; columns?: number } = process.stderr,
): Progress {
  const begun = Date.now();
  let text = '';
  let share = 0;
  const seconds = () => `${Math.round((Date.now() - begun) / 1000)} s`;
  const draw = () => {
    const filled = Math.round(share * WIDTH);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)}`;
    const rest = ` ${text} (${seconds()})`.slice(0, columns - WIDTH - 1);
    err(`\r\u001b[K${bar}${colors.dim(rest)}`);
  };
  const timer = isTTY ? setInterval(draw, INTERVAL) : undefined;
  timer?.unref();
  return {
    tell(next, done) {
      const isNew = next !== text;
      [text, share] = [next, done];
      if (isTTY) draw();
      else if (isNew) err(`${seconds().padStart(5)}  ${text}\n`);
    },
    end() {
      clearInterval(timer);
      if (isTTY) err('\r\u001b[K');
    },
  };
}
