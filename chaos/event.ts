/** What an event is, what it receives, and what it returns. */

import type { Scope } from '../src/base/io/scope.ts';
import type { OpenWebui } from '../src/bench/client/open-webui.ts';
import type { Cluster } from '../test/kit/cluster.ts';
import type { ChaosLoad, ChaosReport } from './load.ts';

/** The published figures come from the long form; CI runs the short one. */
export type Form = 'long' | 'short';

/** A running cluster under load. */
export interface Site {
  cluster: Cluster;
  ui: OpenWebui;
  load: ChaosLoad;
  /** Number of workers; all of them serve when the event begins. */
  workers: number;
  /** Ends with the cluster. */
  scope: Scope;
  form: Form;
  /** Duration of an event whose duration can be chosen. Absent: that of its form. */
  minutes: number | undefined;
  /** Prints a line of progress. */
  say(text: string): void;
}

export interface Observation {
  /** Milliseconds from each run of the event until everything serves again. */
  servesAgainMs: number[];
  /** What did not hold, in words, in addition to the report of the load. */
  violations: string[];
}

/** Starts a cluster for all events that name this function. The cluster ends with the scope. */
export type Start = (scope: Scope, workers: number, form: Form) => Promise<Cluster>;

export interface ChaosEvent {
  /** The name on the command line. */
  name: string;
  /** What happens, as in the first column of the table. */
  title: string;
  /** What must hold, in words. */
  holds: string;
  /** Why it cannot happen on this machine; it is skipped with a notice then. */
  missing?: () => string | undefined;
  /** How often it happens. */
  runs: Record<Form, number>;
  /** Absent: the event shares a cluster with all others without one. */
  start?: Start;
  run(site: Site, runs: number): Promise<Observation>;
  /** What did not hold, from the report of the load. Absent: nothingLost. */
  judge?: (report: ChaosReport) => string[];
}

/** Requires that only abandoned requests failed, nothing was refused, no answer was cut and each socket reconnected. */
export function nothingLost({ unexpected, refused, cut, socketsLost }: ChaosReport): string[] {
  return [
    ...(unexpected.length > 0
      ? [`${unexpected.length} requests failed: ${unexpected.slice(0, 3).join('; ')}`]
      : []),
    ...(refused > 0 ? [`${refused} connections were refused`] : []),
    ...(cut.length > 0 ? [`${cut.length} answers were cut: ${cut.slice(0, 3).join('; ')}`] : []),
    ...(socketsLost > 0 ? [`${socketsLost} sockets did not reconnect`] : []),
  ];
}

/** The same where requests may fail, because a service is down. No worker needs to end, so none is refused. */
export function onlyFailedMeanwhile(report: ChaosReport): string[] {
  return nothingLost({ ...report, unexpected: [] });
}

/** The same where nothing serves for a while. */
export function onlyRefusedMeanwhile(report: ChaosReport): string[] {
  return onlyFailedMeanwhile({ ...report, refused: 0 });
}
