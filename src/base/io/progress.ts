import type { Terminal } from './terminal.ts';

/** Characters of the bar. */
const BAR = 24;

/** Milliseconds between two drawings on a terminal, and between two lines where nobody watches. */
const LIVE = 1_000;
const QUIET = 10_000;

/** What is done now. */
interface Doing {
  text: string;
  /** The step that it belongs to, which has seconds of its own. */
  step?: string;
  /** The share of the whole that is done by then, from 0 to 1; undefined: nobody knows. */
  share?: number;
}

export interface Progress {
  tell(doing: Doing): void;
  /** Ends the line; to be called before anything else is written. Of what is done beside each other, one step may end. */
  end(step?: string): void;
}

/**
 * Shows on stderr what is done now, and for how long: on a terminal in one line that is drawn over, with a bar where the
 * share is known. Elsewhere in a line for each new thing where the share is known, else in a line every ten seconds, so
 * that what takes minutes is never silent.
 */
export function startProgress(
  { err, colors }: Pick<Terminal, 'err' | 'colors'>,
  { isTTY = false, columns = 80 }: { isTTY?: boolean; columns?: number } = process.stderr,
): Progress {
  let now: Doing | undefined;
  /** When each step began. Without a step, the line itself. */
  const begun = new Map<string | undefined, number>();
  let timer: NodeJS.Timeout | undefined;
  const draw = () => {
    if (!now) return;
    const { step, text, share } = now;
    const seconds = Math.round((performance.now() - (begun.get(step) ?? 0)) / 1000);
    const time = seconds > 0 ? ` (${seconds} s)` : '';
    const what = step === undefined ? text : `${step}: ${text}`;
    if (!isTTY) return err(`  ${what}${time}\n`);
    const bar = share === undefined ? '' : `${barOf(share)} `;
    const room = columns - 1 - bar.length - time.length;
    err(`\r\u001b[K${bar}${colors.dim(what.slice(0, room) + time)}`);
  };
  return {
    tell(doing) {
      const isSameStep = now !== undefined && now.step === doing.step;
      const isNews = !isSameStep || now?.text !== doing.text;
      now = doing;
      if (!begun.has(doing.step)) begun.set(doing.step, performance.now());
      const isByTheClock = isTTY || doing.share === undefined;
      if (!isSameStep) {
        clearInterval(timer);
        timer = isByTheClock ? setInterval(draw, isTTY ? LIVE : QUIET) : undefined;
        timer?.unref();
      }
      if (isTTY || (isNews && !isByTheClock)) draw();
    },
    end(step) {
      clearInterval(timer);
      now = undefined;
      if (step === undefined) begun.clear();
      else begun.delete(step);
      if (isTTY) err('\r\u001b[K');
    },
  };
}

function barOf(share: number): string {
  const filled = Math.round(share * BAR);
  return `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)}`;
}
