/** Runs events one after another. Those without a cluster of their own share one. */
import { type Cluster, type ClusterOptions, startCluster } from '../test/kit/cluster.ts';
import { OpenWebui } from '../test/kit/openwebui.ts';
import { Scope } from '../test/kit/scope.ts';
import { type ChaosEvent, type Form, nothingLost, type Observation, type Site } from './event.ts';
import { ChaosLoad, type ChaosReport } from './load.ts';
import { chaosPreset } from './preset.ts';

export interface RunOptions {
  form: Form;
  workers: number;
  say(text: string): void;
}

export interface Result {
  event: string;
  title: string;
  holds: string;
  runs: number;
  /** Undefined where the event could not be run to its end. */
  report: ChaosReport | undefined;
  servesAgainMs: number[];
  violations: string[];
}

export async function runEvents(events: readonly ChaosEvent[], options: RunOptions): Promise<Result[]> {
  const results: Result[] = [];
  let shared: { scope: Scope; cluster: Cluster } | undefined;
  try {
    for (const event of events) {
      options.say(`${event.name}: ${event.title}`);
      const own = new Scope();
      try {
        let cluster: Cluster;
        if (event.cluster) {
          cluster = await startIn(own, await event.cluster(own, options.form), options);
        } else {
          shared ??= await openShared(options);
          cluster = shared.cluster;
        }
        results.push(await runOn(cluster, own, event, options));
      } catch (error) {
        results.push({ ...headOf(event, options.form), ...nothingMeasured(String(error)) });
        // What it left behind is no ground for the next event.
        await shared?.scope.close();
        shared = undefined;
      } finally {
        await own.close();
      }
      options.say(verdictOf(results.at(-1)));
    }
  } finally {
    await shared?.scope.close();
  }
  return results;
}

async function openShared(options: RunOptions): Promise<{ scope: Scope; cluster: Cluster }> {
  const scope = new Scope();
  try {
    const args = ['--preset', await chaosPreset(scope, options.form)];
    return { scope, cluster: await startIn(scope, { args }, options) };
  } catch (error) {
    await scope.close();
    throw error;
  }
}

function startIn(scope: Scope, own: Partial<ClusterOptions>, { workers }: RunOptions): Promise<Cluster> {
  return startCluster(scope, { workers, ...own });
}

async function runOn(
  cluster: Cluster,
  scope: Scope,
  event: ChaosEvent,
  { form, workers, say }: RunOptions,
): Promise<Result> {
  await cluster.untilServing(workers);
  const ui = await OpenWebui.signIn(cluster.url, cluster.services.admin);
  const load = await ChaosLoad.start(cluster, ui);
  const site: Site = { cluster, ui, load, workers, scope, form, say: (text) => say(`  ${text}`) };
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

/** A long run that is ended before its time has said this much. */
function verdictOf(result: Result | undefined): string {
  const { report, servesAgainMs = [], violations = [] } = result ?? {};
  const times = servesAgainMs.map((ms) => (ms / 1000).toFixed(2)).join(', ');
  const counts = report && `${report.requests} requests, ${report.failed} failed, ${report.refused} refused`;
  const verdict = violations.length === 0 ? 'holds' : `does not hold: ${violations.join('; ')}`;
  return `  ${counts ?? 'nothing was counted'}; served again after ${times || '–'} s; ${verdict}`;
}

function headOf({ name, title, holds, runs }: ChaosEvent, form: Form) {
  return { event: name, title, holds, runs: runs[form] };
}

function nothingMeasured(problem: string): Pick<Result, 'report' | 'servesAgainMs' | 'violations'> {
  return { report: undefined, servesAgainMs: [], violations: [`it could not be run to its end: ${problem}`] };
}
