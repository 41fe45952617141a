import { EXIT, type ExitCode, TuneError } from '../errors.ts';
import { addressOf } from '../io/address.ts';
import { ask, canAsk } from '../io/ask.ts';
import type { Terminal } from '../io/terminal.ts';
import { keepWhatWasObserved } from '../tune.ts';
import { checkEmail, hasAdmin } from '../up/admin.ts';
import { type Chosen, keepChosen, offerFound, takeFound } from '../up/found.ts';
import { stepsOf } from '../up/index.ts';
import { Setup, type SetupOptions } from '../up/setup.ts';
import { previewSteps, runSteps, type Step, type StepReport } from '../up/step.ts';

export interface UpOptions extends SetupOptions {
  yes?: boolean;
  dryRun?: boolean;
  /** Take a Redis that is found on loopback, and ask nobody. */
  useFound?: boolean;
}

/** Milliseconds between two lines of progress where nobody watches. */
const QUIET = 10_000;

/** From what there is to a running Open WebUI. Throws TuneError; what was done by then stays, and is gone on from. */
export async function bringUp(options: UpOptions, terminal: Terminal): Promise<ExitCode> {
  // Before half of it is installed.
  if (options.adminEmail !== undefined) checkEmail(options.adminEmail);
  let setup = new Setup(options);
  let steps = stepsOf(setup);
  // While Python answers; an error of it is thrown where it is asked for.
  setup.processes().catch(() => {});
  const preview = await previewSteps(steps);
  const isRight = preview.every(({ state }) => state === 'right');
  if (options.dryRun) {
    for (const report of preview) terminal.out(`${lineOf(report, terminal)}\n`);
    return EXIT.ok;
  }
  if (isRight) for (const report of preview) terminal.err(`${lineOf(report, terminal)}\n`);
  else {
    const asked = await confirm(options, setup, preview, terminal);
    if (asked === undefined) return EXIT.ok;
    const chosen = await choose(options, setup, terminal);
    if (asked.adminEmail !== undefined) {
      setup = new Setup({ ...options, ...asked });
      steps = stepsOf(setup);
    }
    const progress = makeProgress(terminal);
    const run = (some: readonly Step[]) =>
      runSteps(
        some,
        (report) => terminal.err(`${progress.end()}${lineOf(report, terminal)}\n`),
        (step, text) => progress.tell(`${step.name}: ${text}`),
      );
    // With Open WebUI itself it is known where settings are kept.
    await run(steps.slice(0, 1));
    await keepChosen(setup, chosen);
    await run(steps.slice(1));
  }
  const tuned = await setup.tuned();
  for (const problem of keepWhatWasObserved(tuned)) terminal.err(`${problem}\n`);
  terminal.out(`${addressOf(tuned.plan)}\n`);
  return EXIT.ok;
}

/** What is to be done, and whether it may be; undefined: not. Throws TuneError where nobody can be asked. */
async function confirm(
  { yes, adminEmail }: UpOptions,
  setup: Setup,
  preview: readonly StepReport[],
  terminal: Terminal,
): Promise<{ adminEmail?: string } | undefined> {
  if (yes) return {};
  for (const report of preview) terminal.err(`${lineOf(report, terminal)}\n`);
  if (!canAsk()) {
    throw new TuneError('nobody is there to ask whether to do this', EXIT.usage, [
      'webui-tune up --yes does it; webui-tune up --dry-run only lists it',
    ]);
  }
  if (!/^(?:|y|yes)$/i.test(await ask('Go on? [Y/n]'))) return undefined;
  if (adminEmail !== undefined || preview.every(({ name, state }) => name !== 'plan' || state === 'right'))
    return {};
  if (setup.hasOpenWebui && hasAdmin((await setup.tuned()).plan)) return {};
  return askForEmail(terminal);
}

/** Which services that are found on loopback are to be used. */
async function choose({ yes, useFound }: UpOptions, setup: Setup, terminal: Terminal): Promise<Chosen> {
  if (useFound) return takeFound(setup, terminal);
  return yes ? new Map() : offerFound(setup, terminal);
}

async function askForEmail(terminal: Terminal): Promise<{ adminEmail?: string }> {
  for (;;) {
    const email = await ask('E-mail address of the administrator (empty: whoever makes the first account):');
    if (email === '') return {};
    try {
      return { adminEmail: checkEmail(email) };
    } catch (error) {
      if (!(error instanceof TuneError)) throw error;
      terminal.err(`${error.message}\n`);
    }
  }
}

function lineOf({ name, state, text, took }: StepReport, { colors }: Terminal): string {
  const mark = state === 'to do' ? colors.yellow('•') : colors.green('✓');
  const time = took === undefined ? '' : colors.dim(` (${(took / 1000).toFixed(1)} s)`);
  return `${mark} ${name.padEnd(14)} ${text}${time}`;
}

/** One line that is written over on a terminal; elsewhere a line now and then. */
export function makeProgress({ err, colors }: Terminal): { tell(text: string): void; end(): string } {
  const live = process.stderr.isTTY === true;
  let last = 0;
  return {
    tell: (text) => {
      const width = (process.stderr.columns ?? 80) - 1;
      if (live) err(`\r\u001b[K${colors.dim(text.slice(0, width))}`);
      else if (Date.now() - last >= QUIET) {
        err(`${text}\n`);
        last = Date.now();
      }
    },
    end: () => (live ? '\r\u001b[K' : ''),
  };
}
