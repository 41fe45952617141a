import { EXIT, type ExitCode, TuneError } from '../base/errors.ts';
import { addressOf } from '../base/io/address.ts';
import { ask, canAsk } from '../base/io/ask.ts';
import { startProgress } from '../base/io/progress.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { alone, change } from '../setup/journal/change.ts';
import { Journal, unfinishedLine } from '../setup/journal/journal.ts';
import { checkEmail, hasAdmin } from '../setup/up/admin.ts';
import { findServices, foundLines, useFoundRedis } from '../setup/up/found.ts';
import { stepsOf } from '../setup/up/index.ts';
import { Setup, type SetupOptions } from '../setup/up/setup.ts';
import { previewSteps, runSteps, type Step, type StepReport } from '../setup/up/step.ts';
import { keepWhatWasObserved } from '../tune/tune.ts';

export interface UpOptions extends SetupOptions {
  yes?: boolean;
  dryRun?: boolean;
  /** Use a Redis that is found on 127.0.0.1. */
  useFound?: boolean;
}

/** Installs and starts whatever a running Open WebUI lacks. Throws TuneError; a rerun resumes after the completed steps. */
export async function bringUp(options: UpOptions, terminal: Terminal): Promise<ExitCode> {
  // Checked before anything is installed.
  if (options.adminEmail !== undefined) checkEmail(options.adminEmail);
  let setup = new Setup(options);
  const tell = (text: string) => terminal.err(`${terminal.colors.dim(text)}\n`);
  const unfinished = unfinishedLine(new Journal(setup.folder));
  if (unfinished !== undefined) {
    if (options.dryRun) terminal.err(`${unfinished}: webui-tune resume\n`);
    else await change(setup, tell, async () => {});
  }
  let steps = stepsOf(setup);
  // Starts to ask PM2 while Python answers; errors surface when the list is awaited.
  setup.processes().catch(() => {});
  const preview = await previewSteps(steps);
  const isRight = preview.every(({ state }) => state === 'right');
  const found = isRight ? {} : await findServices(setup);
  const list = options.dryRun ? terminal.out : terminal.err;
  for (const report of preview) list(`${lineOf(report, terminal)}\n`);
  for (const line of foundLines(found, options.useFound === true)) terminal.err(`  ${line}\n`);
  if (!isRight && process.getuid?.() === 0) {
    terminal.err(
      `${terminal.colors.yellow('as root:')} Open WebUI runs as root too, and its administrators can run Python in it; an ordinary account is safer (docs/security.md)\n`,
    );
  }
  if (options.dryRun) return EXIT.ok;
  if (!isRight) {
    const agreed = await confirm(options, setup, preview, terminal);
    if (!agreed) return EXIT.ok;
    if (agreed.adminEmail !== undefined) {
      setup = new Setup({ ...options, ...agreed });
      steps = stepsOf(setup);
    }
    const progress = startProgress(terminal);
    const run = (some: readonly Step[]) =>
      runSteps(
        some,
        (report) => {
          progress.end();
          terminal.err(`${lineOf(report, terminal)}\n`);
        },
        (step, text) => progress.tell({ step: step.name, text }),
      ).finally(() => progress.end());
    await alone(setup, async () => {
      // Where settings are kept is known once Open WebUI is installed.
      await run(steps.slice(0, 1));
      if (options.useFound && found.redis !== undefined) await useFoundRedis(setup, found.redis);
      await run(steps.slice(1));
    });
  }
  const tuned = await setup.tuned();
  for (const problem of keepWhatWasObserved(tuned)) terminal.err(`${problem}\n`);
  terminal.out(`${addressOf(tuned.plan)}\n`);
  return EXIT.ok;
}

/**
 * Asks whether to go on, and for the administrator's address; undefined: do not go on. Does not ask without a terminal:
 * everything that `up` makes is in its own folders, and `down --purge` deletes it.
 */
async function confirm(
  { yes, adminEmail }: UpOptions,
  setup: Setup,
  preview: readonly StepReport[],
  terminal: Terminal,
): Promise<{ adminEmail?: string } | undefined> {
  if (yes || !canAsk()) {
    terminal.err(yes ? '\n' : '\nno terminal to ask on: continuing, as with --yes\n');
    return {};
  }
  if (!/^(?:|y|yes)$/i.test(await ask('Go on? [Y/n]'))) return undefined;
  if (adminEmail !== undefined || preview.every(({ name, state }) => name !== 'plan' || state === 'right'))
    return {};
  if (setup.hasOpenWebui && hasAdmin((await setup.tuned()).plan)) return {};
  return askForEmail(terminal);
}

async function askForEmail(terminal: Terminal): Promise<{ adminEmail?: string }> {
  for (;;) {
    const email = await ask(
      'E-mail address of the administrator (empty: whoever makes the first account becomes the administrator):',
    );
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
  const marks = { 'to do': colors.yellow('•'), lacking: colors.yellow('!') } as const;
  const mark = state === 'to do' || state === 'lacking' ? marks[state] : colors.green('✓');
  const time = took === undefined ? '' : colors.dim(` (${(took / 1000).toFixed(1)} s)`);
  return `${mark} ${name.padEnd(14)} ${text}${time}`;
}
