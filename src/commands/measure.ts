import { homedir } from 'node:os';
import { join } from 'node:path';
import { EXIT, type ExitCode, TuneError } from '../base/errors.ts';
import type { Environment } from '../base/io/environment.ts';
import { holdLock } from '../base/io/lock.ts';
import { startProgress } from '../base/io/progress.ts';
import { Scope } from '../base/io/scope.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { makePrivateFolder } from '../base/io/write.ts';
import { measure, workersToMeasure } from '../bench/measure/index.ts';
import { renderMeasurement, renderSteps } from '../bench/measure/table.ts';
import { type KeptMeasurement, keepMeasurement, measurementsFolder } from '../tune/measurements/kept.ts';
import type { TuneOptions } from '../tune/options.ts';
import { tune } from '../tune/tune.ts';
import type { Tuned } from '../tune/tuned.ts';

export interface MeasureOptions extends TuneOptions {
  json?: boolean;
  dryRun?: boolean;
}

/** Signals that end a measurement. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Measures this installation on temporary servers and data, and saves the figures for the next plan. Throws TuneError. */
export async function measureHere(options: MeasureOptions, terminal: Terminal): Promise<ExitCode> {
  const { env = process.env } = options;
  if (options.root !== undefined) {
    throw new TuneError('--root is for another machine, and measure measures this one', EXIT.usage);
  }
  const home = env.HOME || homedir();
  const tuned = await tune(options);
  if (tuned.plan.runtime !== 'preload') {
    throw new TuneError(
      'measure is for the preload process and its workers, not for --runtime uvicorn',
      EXIT.usage,
    );
  }
  const folder = measurementsFolder(env, home);
  if (options.dryRun) {
    terminal.out(renderSteps(tuned.plan, workersToMeasure(tuned.plan), folder));
    return EXIT.ok;
  }
  makePrivateFolder(folder);
  return holdLock(
    join(folder, 'lock'),
    'another webui-tune measure is running, and two would disturb each other',
    async () => {
      const measurement = await measureInScope(tuned, { env, home }, terminal);
      const path = keepMeasurement(folder, measurement);
      if (options.json) terminal.out(`${JSON.stringify(measurement, undefined, 2)}\n`);
      else terminal.out(renderMeasurement(measurement));
      terminal.err(`saved in ${path}; the next plan uses it: webui-tune\n`);
      return EXIT.ok;
    },
  );
}

/** Measures, and ends everything that was started for it, also after an error or a signal. */
async function measureInScope(
  tuned: Tuned,
  context: { env: Environment; home: string },
  terminal: Terminal,
): Promise<KeptMeasurement> {
  const scope = new Scope();
  const progress = startProgress(terminal);
  let stop: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    if (stop) return; // already stopping
    stop = signal;
    progress.tell({ text: 'stopping what was started', share: 1 });
    // Whatever is being awaited then fails at once, because its processes are gone.
    scope.close().catch(() => {});
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    return await measure(scope, tuned, {
      ...context,
      progress: (text, share) => progress.tell({ text, share }),
    });
  } catch (error) {
    if (stop) throw new TuneError(`stopped by ${stop}; nothing was saved`, EXIT.service);
    throw error;
  } finally {
    await scope.close();
    progress.end();
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}
