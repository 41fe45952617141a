import { EXIT, type ExitCode, TuneError } from '../base/errors.ts';
import { addressOf } from '../base/io/address.ts';
import { ask, canAsk } from '../base/io/ask.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { checkEmail, hasAdmin } from '../setup/up/admin.ts';
import { findServices, foundLines, useFoundRedis } from '../setup/up/found.ts';
import { stepsOf } from '../setup/up/index.ts';
import { startProgress } from '../setup/up/progress.ts';
import { Setup, type SetupOptions } from '../setup/up/setup.ts';
import { previewSteps, runSteps, type Step, type StepReport } from '../setup/up/step.ts';
import { keepWhatWasObserved } from '../tune/tune.ts';

export interface UpOptions extends SetupOptions {
  yes?: boolean;
  dryRun?: boolean;
  /** Use a Redis that is found on loopback. */
  useFound?: boolean;
}

/** From what there is to a running Open WebUI. Throws TuneError; completed steps are kept, and a rerun resumes there. */
export async function bringUp(options: UpOptions, terminal: Terminal): Promise<ExitCode> {
  // Before half of it is installed.
  if (options.adminEmail !== undefined) checkEmail(options.adminEmail);
  let setup = new Setup(options);
  let steps = stepsOf(setup);
  // While Python answers; errors surface when the list is awaited.
  setup.processes().catch(() => {});
  const preview = await previewSteps(steps);
  const isRight = preview.every(({ state }) => state === 'right');
  const found = isRight ? {} : await findServices(setup);
  const list = options.dryRun ? terminal.out : terminal.err;
  for (const report of preview) list(`${lineOf(report, terminal)}\n`);
  for (const line of foundLines(found, options.useFound === true)) terminal.err(`  ${line}\n`);
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
        (step, text) => progress.tell(step.name, text),
      ).finally(() => progress.end());
    // With Open WebUI itself it is known where settings are kept.
    await run(steps.slice(0, 1));
    if (options.useFound && found.redis !== undefined) await useFoundRedis(setup, found.redis);
    await run(steps.slice(1));
  }
  const tuned = await setup.tuned();
  for (const problem of keepWhatWasObserved(tuned)) terminal.err(`${problem}\n`);
  terminal.out(`${addressOf(tuned.plan)}\n`);
  return EXIT.ok;
}

/**
 * Asks whether to go on, and who administers it; undefined: not. Without a terminal nobody is asked: all that is done
 * stays in folders of its own, and `down --purge` takes it away.
 */
async function confirm(
  { yes, adminEmail }: UpOptions,
  setup: Setup,
  preview: readonly StepReport[],
  terminal: Terminal,
): Promise<{ adminEmail?: string } | undefined> {
  if (yes || !canAsk()) {
    terminal.err(yes ? '\n' : '\nno terminal to ask on: going on, as with --yes\n');
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
  const marks = { 'to do': colors.yellow('•'), lacking: colors.yellow('!') } as const;
  const mark = state === 'to do' || state === 'lacking' ? marks[state] : colors.green('✓');
  const time = took === undefined ? '' : colors.dim(` (${(took / 1000).toFixed(1)} s)`);
  return `${mark} ${name.padEnd(14)} ${text}${time}`;
}
