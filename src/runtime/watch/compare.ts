/** What happened between two samples; pure. */

import type { ProcessUsage } from '../../base/machine/usage.ts';
import type { ScaleTold } from '../scale/told.ts';
import type { InstanceSample, Sample, WorkerSample } from './sample.ts';
import type { TopReport, TopWorker } from './schema.ts';

/** Least milliseconds between two counts for a rate. A worker counts once a second: less would measure the beat. */
const LEAST_SPAN = 900;

/** Milliseconds by which two readings of one process's start may differ: /proc counts in hundredths of a second. */
const CLOCK_ERROR = 1_000;

/** `earlier` are the samples before, the oldest first. Without any, the report has no rates. */
export function compare(earlier: readonly Sample[], sample: Sample): TopReport {
  const before = earlier.at(-1);
  const seconds = before ? (sample.at - before.at) / 1000 : 0;
  const processOf = (usage: ProcessUsage) => toProcess(usage, before, seconds);
  const limits = new Map(sample.instances.map(({ instance, memoryLimit }) => [instance, memoryLimit]));
  const workers = sample.workers.map((worker): TopWorker => {
    const { instance, state, usage, generation, stats } = worker;
    const limit = limits.get(instance);
    const rate = rateOf(worker, earlier, 'requests');
    const tokenRate = rateOf(worker, earlier, 'tokens');
    return {
      instance,
      state,
      ...(usage && { process: processOf(usage) }),
      ...(limit !== undefined && { memoryLimitBytes: limit }),
      ...(generation !== undefined && { generation }),
      ...(stats && {
        requests: stats.requests,
        activeRequests: stats.active,
        webSockets: stats.sockets,
        generatingAnswers: stats.generating,
        ...(stats.lag !== undefined && { eventLoopLagMs: stats.lag }),
        ...(stats.tokens !== undefined && { tokens: stats.tokens }),
        heardAt: inWords(stats.heardAt),
      }),
      ...(rate !== undefined && { requestsPerSecond: rate }),
      ...(tokenRate !== undefined && { tokensPerSecond: tokenRate }),
    };
  });
  return {
    at: inWords(sample.at),
    seconds,
    controlSocket: sample.controlSocket,
    runtime: sample.runtime,
    ...(sample.version !== undefined && { openWebui: sample.version }),
    ...(sample.level !== undefined && { preload: sample.level }),
    generations: [...sample.generations],
    ...(sample.parent && { parent: processOf(sample.parent) }),
    ...(sample.documents && {
      documents: {
        processes: sample.documents.processes.map(processOf),
        waiting: sample.documents.waiting,
      },
    }),
    workers,
    instances: sample.instances.map(toInstance),
    ...(sample.scale && { scale: toScale(sample.scale) }),
    restarts: restartsOf(sample.instances),
    total: totalOf(sample, workers, before, seconds),
  };
}

/** All processes of the cluster, each once. */
export function processesOf({ parent, supervisors, documents, workers }: Sample): ProcessUsage[] {
  return [
    ...(parent ? [parent] : []),
    ...supervisors,
    ...(documents?.processes ?? []),
    ...workers.flatMap(({ usage }) => usage ?? []),
  ];
}

function toProcess(
  usage: ProcessUsage,
  before: Sample | undefined,
  seconds: number,
): NonNullable<TopWorker['process']> {
  const { pid, startedAt, cpuSeconds, memory } = usage;
  const cpu = before && cpuOf(usage, before, seconds);
  return {
    pid,
    startedAt: inWords(startedAt),
    cpuSeconds,
    ...(cpu !== undefined && { cpuPercent: cpu }),
    ...(memory && {
      memory: {
        privateBytes: memory.private,
        sharedBytes: memory.shared,
        proportionalBytes: memory.pss,
        residentBytes: memory.rss,
      },
    }),
  };
}

/** Percent of one core. A process that is new since then counts from its start. */
function cpuOf(usage: ProcessUsage, before: Sample, seconds: number): number | undefined {
  if (seconds <= 0) return undefined;
  const then = processesOf(before).find((other) => isSame(other, usage));
  return Math.max(0, ((usage.cpuSeconds - (then?.cpuSeconds ?? 0)) / seconds) * 100);
}

export function isSame(a: ProcessUsage, b: ProcessUsage): boolean {
  return a.pid === b.pid && Math.abs(a.startedAt - b.startedAt) < CLOCK_ERROR;
}

/** So many a second between two beats. A worker that is silent, or does not count them, has no rate. */
function rateOf(
  { usage, stats }: WorkerSample,
  earlier: readonly Sample[],
  what: 'requests' | 'tokens',
): number | undefined {
  const now = stats?.[what];
  if (!usage || !stats || now === undefined) return undefined;
  const counts = earlier.flatMap(({ workers }) =>
    workers.flatMap((other) => (other.usage && isSame(other.usage, usage) && other.stats) || []),
  );
  const then = counts.findLast(({ heardAt }) => stats.heardAt - heardAt >= LEAST_SPAN);
  const before = then?.[what];
  if (!then || before === undefined) return undefined;
  return Math.max(0, ((now - before) / (stats.heardAt - then.heardAt)) * 1000);
}

function toInstance({ instance, requests, record, down }: InstanceSample): TopReport['instances'][number] {
  const { lastFailure } = record ?? {};
  return {
    instance,
    requests,
    restarts: { ...record?.restarts },
    failedStarts: record?.failedStarts ?? 0,
    ...(lastFailure && { lastFailure: { at: inWords(lastFailure.at), detail: lastFailure.detail } }),
    ...(record && { since: inWords(record.since) }),
    ...(down && {
      down: {
        cause: down.cause,
        detail: down.detail,
        ...(down.at !== undefined && { at: inWords(down.at) }),
      },
    }),
  };
}

function toScale({ least, most, counts, changes, holding }: ScaleTold): NonNullable<TopReport['scale']> {
  return {
    least,
    most,
    counts: { ...counts },
    changes: changes.toReversed().map(({ at, ...change }) => ({ at: inWords(at), ...change })),
    ...(holding !== undefined && { holding }),
  };
}

function restartsOf(instances: readonly InstanceSample[]): TopReport['restarts'] {
  return instances
    .flatMap(({ instance, record }) => (record?.recent ?? []).map((restart) => ({ instance, ...restart })))
    .sort((a, b) => b.at - a.at)
    .map(({ at, gap, ...restart }) => ({
      ...restart,
      at: inWords(at),
      ...(gap !== undefined && { gapSeconds: gap / 1000 }),
    }));
}

function totalOf(
  sample: Sample,
  workers: readonly TopWorker[],
  before: Sample | undefined,
  seconds: number,
): TopReport['total'] {
  const processes = processesOf(sample);
  const cpu = sum(processes.map((usage) => before && cpuOf(usage, before, seconds)));
  const rate = sum(workers.map(({ requestsPerSecond }) => requestsPerSecond));
  const tokenRate = sum(workers.map(({ tokensPerSecond }) => tokensPerSecond));
  const common = {
    workers: workers.filter(({ state }) => state === 'serving' || state === 'running').length,
    proportionalBytes: sum(processes.map(({ memory }) => memory?.pss)) ?? 0,
    residentBytes: sum(processes.map(({ memory }) => memory?.rss)) ?? 0,
    ...(cpu !== undefined && { cpuPercent: cpu }),
  };
  if (sample.runtime === 'uvicorn') return common;
  return {
    ...common,
    requests: sum(sample.instances.map(({ requests }) => requests)) ?? 0,
    ...(rate !== undefined && { requestsPerSecond: rate }),
    ...(tokenRate !== undefined && { tokensPerSecond: tokenRate }),
    activeRequests: sum(workers.map(({ activeRequests }) => activeRequests)) ?? 0,
    webSockets: sum(workers.map(({ webSockets }) => webSockets)) ?? 0,
    generatingAnswers: sum(workers.map(({ generatingAnswers }) => generatingAnswers)) ?? 0,
    restarts: sum(sample.instances.flatMap(({ record }) => Object.values(record?.restarts ?? {}))) ?? 0,
  };
}

/** Of those that are known; undefined where none is. */
function sum(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((all, value) => all + value, 0);
}

function inWords(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
