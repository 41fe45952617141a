import type { Terminal } from '../../base/io/terminal.ts';

/** Milliseconds between two lines where nobody watches, and between two drawings on a terminal. */
const QUIET = 10_000;
const LIVE = 1_000;

export interface StepProgress {
  /** What a step is at now. */
  tell(step: string, text: string): void;
  /** Ends the step's line; what has to be written before anything else is. */
  end(): void;
}

/**
 * Shows what a step is at, and for how long: on a terminal one line that is written over, elsewhere a line every ten
 * seconds, so that a step that takes minutes is never silent.
 */
export function startProgress(
  { err, colors }: Pick<Terminal, 'err' | 'colors'>,
  { isTTY = false, columns = 80 }: { isTTY?: boolean; columns?: number } = process.stderr,
): StepProgress {
  let now: { step: string; text: string; since: number } | undefined;
  let timer: NodeJS.Timeout | undefined;
  const draw = () => {
    if (!now) return;
    const seconds = Math.round((Date.now() - now.since) / 1000);
    const time = seconds > 0 ? ` (${seconds} s)` : '';
    if (!isTTY) return err(`  ${now.step}: ${now.text}${time}\n`);
    const text = `${now.step}: ${now.text}`.slice(0, columns - 1 - time.length);
    err(`\r\u001b[K${colors.dim(text + time)}`);
  };
  return {
    tell(step, text) {
      if (now?.step !== step) {
        clearInterval(timer);
        timer = setInterval(draw, isTTY ? LIVE : QUIET);
        timer.unref();
      }
      now = { step, text, since: now?.step === step ? now.since : Date.now() };
      if (isTTY) draw();
    },
    end() {
      clearInterval(timer);
      now = undefined;
      if (isTTY) err('\r\u001b[K');
    },
  };
}
