/** Runs events one after another. Events with the same `start` function share a cluster. */

import { Scope } from '../src/base/io/scope.ts';
import { OpenWebui } from '../src/bench/client/open-webui.ts';
import { type Cluster, startCluster } from '../test/kit/cluster.ts';
import { type ChaosEvent, type Form, nothingLost, type Observation, type Site, type Start } from './event.ts';
import { ChaosLoad, type ChaosReport } from './load.ts';
import { chaosPreset } from './preset.ts';

export interface RunOptions {
  form: Form;
  workers: number;
  /** Duration of an event whose duration can be chosen. */
  minutes?: number | undefined;
  say(text: string): void;
}

export interface Result {
  event: string;
  title: string;
  holds: string;
  runs: number;
  /** Undefined if the event could not be run to its end. */
  report: ChaosReport | undefined;
  servesAgainMs: number[];
  violations: string[];
}

interface Running {
  start: Start;
  scope: Scope;
  cluster: Cluster;
}

export async function runEvents(events: readonly ChaosEvent[], options: RunOptions): Promise<Result[]> {
  const results: Result[] = [];
  let running: Running | undefined;
  const end = async () => {
    const { scope } = running ?? {};
    running = undefined;
    await scope?.close();
  };
  try {
    for (const event of events) {
      const missing = event.missing?.();
      if (missing !== undefined) {
        options.say(`skipped: ${event.name}. ${missing}`);
        continue;
      }
      options.say(`${event.name}: ${event.title}`);
      try {
        const start = event.start ?? startShared;
        if (running?.start !== start) await end();
        running ??= await startBy(start, options);
        results.push(await runOn(running, event, options));
      } catch (error) {
        results.push({ ...headOf(event, options.form), ...nothingMeasured(String(error)) });
        // The next event cannot run on what a failed one has left.
        await end();
      }
      options.say(verdictOf(results.at(-1)));
    }
  } finally {
    await end();
  }
  return results;
}

async function startBy(start: Start, { workers, form }: RunOptions): Promise<Running> {
  const scope = new Scope();
  try {
    return { start, scope, cluster: await start(scope, workers, form) };
  } catch (error) {
    await scope.close();
    throw error;
  }
}

/** The cluster of all events that need no other. */
const startShared: Start = async (scope, workers, form) =>
  startCluster(scope, { workers, args: ['--preset', await chaosPreset(scope, form)] });

async function runOn(
  { cluster, scope }: Running,
  event: ChaosEvent,
  { form, workers, minutes, say }: RunOptions,
): Promise<Result> {
  await cluster.untilServing(workers);
  const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
  const load = await ChaosLoad.start(cluster, ui);
  const site: Site = { cluster, ui, load, workers, scope, form, minutes, say: (text) => say(`  ${text}`) };
  const head = headOf(event, form);
  let observation: Observation;
  try {
    observation = await event.run(site, head.runs);
  } catch (error) {
    await load.stop();
    throw error;
  }
  const report = await load.stop();
  const judge = event.judge ?? nothingLost;
  return {
    ...head,
    report,
    servesAgainMs: observation.servesAgainMs,
    violations: [...observation.violations, ...judge(report)],
  };
}

/** Printed after each event, so that a run that is stopped early has results too. */
function verdictOf(result: Result | undefined): string {
  const { report, servesAgainMs = [], violations = [] } = result ?? {};
  const times = servesAgainMs.map((ms) => (ms / 1000).toFixed(2)).join(', ');
  const counts =
    report &&
    `${report.requests} requests, ${report.failed} failed, ${report.refused} refused; ` +
      `${report.answers} answers, ${report.cut.length} cut; ${report.reconnected} sockets reconnected`;
  const verdict = violations.length === 0 ? 'holds' : `does not hold: ${violations.join('; ')}`;
  return `  ${counts ?? 'nothing was counted'}; served again after ${times || '–'} s; ${verdict}`;
}

function headOf({ name, title, holds, runs }: ChaosEvent, form: Form) {
  return { event: name, title, holds, runs: runs[form] };
}

function nothingMeasured(problem: string): Pick<Result, 'report' | 'servesAgainMs' | 'violations'> {
  return {
    report: undefined,
    servesAgainMs: [],
    violations: [`the event could not be run to its end: ${problem}`],
  };
}
