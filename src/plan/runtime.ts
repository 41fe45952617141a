import { EXIT, TuneError } from '../base/errors.ts';
import type { RuntimeChoice } from '../runtime/contract.ts';
import type { PlanInput } from './input.ts';
import type { Plan, Recommendation } from './types.ts';

/**
 * Forking is tested on Linux. macOS's system libraries are not safe after a fork, and Windows cannot fork.
 */
export function chooseRuntime({ runtime, machine }: Pick<PlanInput, 'runtime' | 'machine'>): RuntimeChoice {
  return runtime ?? (machine.platform === 'linux' ? 'preload' : 'uvicorn');
}

export function runtimeReason({ runtime, machine }: PlanInput): string {
  if (runtime !== undefined) return `--runtime ${runtime}`;
  if (machine.platform === 'linux') return 'workers are forked from one process that has imported Open WebUI';
  return `${machine.platform} cannot fork it safely: Open WebUI’s own server and workers`;
}

/** Warns of what `--runtime uvicorn` cannot do, before the user finds out at the first reload. */
export function runtimeWarnings({ runtime }: Pick<Plan, 'runtime'>): string[] {
  if (runtime === 'preload') return [];
  return [
    '--runtime uvicorn cannot reload without an outage (all workers stop, and serve again after some 30 s), let answers ' +
      'finish, replace a worker that grows (PM2 only sees the memory of the parent), or share memory between workers',
  ];
}

/** Throws TuneError for a number of workers that follows the load, where each of them would import Open WebUI for itself. */
export function requireForksForRange(
  { leastWorkers, workers }: Pick<Plan, 'workers' | 'leastWorkers'>,
  runtime: RuntimeChoice,
): void {
  if (runtime === 'preload' || leastWorkers === undefined) return;
  throw new TuneError(
    `workers cannot come and go with --runtime uvicorn (${leastWorkers} to ${workers} were asked for): it starts all of them at once`,
    EXIT.usage,
    [`--workers ${workers}`, '--runtime preload, on Linux'],
  );
}

/** The row of the report. */
export function runtimeRecommendation(input: PlanInput): Recommendation {
  return {
    key: 'runtime',
    value: chooseRuntime(input),
    reason: runtimeReason(input),
    source: input.runtime === undefined ? 'computed' : 'flag',
  };
}
