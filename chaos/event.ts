/** What an event is, what it is given, and what it has to tell. */
import type { Cluster } from '../test/kit/cluster.ts';
import type { OpenWebui } from '../test/kit/openwebui.ts';
import type { Scope } from '../test/kit/scope.ts';
import type { ChaosLoad, ChaosReport } from './load.ts';

/** The long form is the one whose figures are published; the short one is part of CI. */
export type Form = 'long' | 'short';

/** A running cluster under load. */
export interface Site {
  cluster: Cluster;
  ui: OpenWebui;
  load: ChaosLoad;
  /** Workers of the cluster, all of them serving when the event begins. */
  workers: number;
  /** Ends with the cluster. */
  scope: Scope;
  form: Form;
  /** How long an event lasts whose length can be chosen. Absent: as its form says. */
  minutes: number | undefined;
  /** A line for whoever watches. */
  say(text: string): void;
}

export interface Observation {
  /** Milliseconds from each run of the event until the service is whole again. */
  servesAgainMs: number[];
  /** What did not hold, in words, beside what the load says. */
  violations: string[];
}

/** Starts the cluster of those events that have this one; what it starts ends with the scope. */
export type Start = (scope: Scope, workers: number, form: Form) => Promise<Cluster>;

export interface ChaosEvent {
  /** As on the command line. */
  name: string;
  /** What happens, as in the table's first column. */
  title: string;
  /** What must hold, in words. */
  holds: string;
  /** How often it happens. */
  runs: Record<Form, number>;
  /** Absent: it shares a cluster with all others that have none. */
  start?: Start;
  run(site: Site, runs: number): Promise<Observation>;
  /** What did not hold of the load. Absent: nothingLost. */
  judge?: (report: ChaosReport) => string[];
}

/** No request but those given up failed, nothing was refused, no answer was cut, each socket came back. */
export function nothingLost({ unexpected, refused, cut, socketsLost }: ChaosReport): string[] {
  return [
    ...(unexpected.length > 0
      ? [`${unexpected.length} requests failed: ${unexpected.slice(0, 3).join('; ')}`]
      : []),
    ...(refused > 0 ? [`${refused} connections were refused`] : []),
    ...(cut.length > 0 ? [`${cut.length} answers were cut: ${cut.slice(0, 3).join('; ')}`] : []),
    ...(socketsLost > 0 ? [`${socketsLost} sockets did not come back`] : []),
  ];
}
