import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { createColors } from 'picocolors';
import { EXIT, type ExitCode, TuneError } from '../base/errors.ts';
import { dataHome } from '../base/io/folders.ts';
import { startProgress } from '../base/io/progress.ts';
import { Scope } from '../base/io/scope.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { readMachine } from '../base/machine/index.ts';
import { contendersFor } from '../bench/contest/contenders.ts';
import { chooseContenders, runBench } from '../bench/contest/run.ts';
import type { BenchReport } from '../bench/contest/schema.ts';
import { renderBench } from '../bench/report/index.ts';
import { findPm2 } from '../setup/pm2/program.ts';
import { ownEnvironment } from '../setup/up/python.ts';
import { findInterpreter, viewpointOf } from '../tune/installation.ts';
import { checkOutput, writeOutput } from '../tune/output.ts';

export interface BenchCommandOptions {
  workers?: number;
  rounds: number;
  seconds: number;
  only?: string[];
  sweep?: boolean;
  python?: string;
  html?: string;
  json?: boolean;
  verbose?: boolean;
}

const LEAST_WORKERS = 2;

/** Runs the contenders and reports how they did. Exit code 7 if ours, or all of them, could not be measured. */
export async function bench(options: BenchCommandOptions, terminal: Terminal): Promise<ExitCode> {
  if (process.platform !== 'linux') {
    throw new TuneError('bench needs Linux: memory and CPU are read from its /proc', EXIT.machine);
  }
  const { rounds, seconds, only, sweep = false } = options;
  const html = options.html === undefined ? undefined : resolve(options.html);
  if (html !== undefined) checkOutput(html, false);
  const { cpu } = await readMachine();
  const workers = options.workers ?? Math.max(LEAST_WORKERS, cpu.physicalCores);
  // Wrong names are reported before anything starts.
  chooseContenders(contendersFor(workers), only);
  const { python, probe } = await interpreter(options.python);
  const home = process.env.HOME || homedir();
  const ground = {
    python,
    home,
    pm2: findPm2(process.env, home),
    env: { PATH: process.env.PATH ?? '', LANG: 'C.UTF-8' },
    openWebui: { version: probe.package.version, python: probe.python },
  };
  const progress = startProgress(terminal);
  const report = await endingAll(terminal, (scope) =>
    runBench(scope, { workers, rounds, seconds, sweep, ...(only && { only }) }, ground, (text, share) =>
      progress.tell({ text, share }),
    ),
  ).finally(() => progress.end());
  if (html !== undefined) {
    const { renderBenchHtml } = await import('../bench/report/html/index.ts');
    writeOutput(html, renderBenchHtml(report));
    terminal.err(`report: ${html}\n`);
  }
  if (options.json) terminal.out(`${JSON.stringify(report, undefined, 2)}\n`);
  else print(report, options.verbose ?? false, terminal);
  return exitCodeOf(report);
}

/** The interpreter that is named, else the one that `webui-tune up` has made, else one that is found. Throws TuneError. */
function interpreter(named: string | undefined) {
  const from = viewpointOf({});
  const own = ownEnvironment(dataHome(from.env, from.home));
  return findInterpreter(named ?? (own.isComplete() ? own.python : undefined), from);
}

/** Runs `work`, and ends everything that it has started, also after a signal. */
async function endingAll<T>({ err }: Terminal, work: (scope: Scope) => Promise<T>): Promise<T> {
  const scope = new Scope();
  let interrupted = false;
  const interrupt = (name: NodeJS.Signals) => {
    const code = 128 + { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 }[name as 'SIGINT'];
    // A second signal: everything that still runs is killed as this process ends.
    if (interrupted) process.exit(code);
    interrupted = true;
    err('\nstopping what was started …\n');
    scope.close().then(
      () => process.exit(code),
      () => process.exit(code),
    );
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, interrupt);
  try {
    return await work(scope);
  } finally {
    // After a signal everything fails; those errors would tell nobody anything.
    if (interrupted) await new Promise(() => {});
    await scope.close();
    for (const name of names) process.off(name, interrupt);
  }
}

function print(report: BenchReport, isVerbose: boolean, terminal: Terminal): void {
  // The report goes to stdout, which decides on colours.
  const colors = process.stdout.isTTY ? terminal.colors : createColors(false);
  const paint = {
    title: colors.bold,
    row: (text: string) => text,
    holds: colors.green,
    misses: colors.red,
    note: colors.dim,
  };
  for (const { kind, text } of renderBench(report, isVerbose)) terminal.out(`${paint[kind](text)}\n`);
}

function exitCodeOf({ contenders, sweep }: BenchReport): ExitCode {
  if (sweep) return EXIT.ok;
  const failed = contenders.filter(({ failure }) => failure !== undefined);
  // If another contender does not answer chats, a note is enough; ours has to.
  const isOurs = contenders.some(
    ({ id, figures, failure }) =>
      id.startsWith('ours') &&
      (failure !== undefined || (figures.apiPerSecond && figures.chatsPerSecond === undefined)),
  );
  return isOurs || failed.length === contenders.length ? EXIT.service : EXIT.ok;
}
