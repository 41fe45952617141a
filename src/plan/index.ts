import { formatBytes, plural, toMib } from '../base/units.ts';
import type { Colocated, ServiceFacts } from '../facts/types.ts';
import {
  boundReasons,
  explainConnections,
  explainLimits,
  servicesReason,
  workersForRedis,
} from './bounds.ts';
import { machineFacts } from './facts.ts';
import type { PlanInput } from './input.ts';
import { type Choice, chooseMeasurement } from './measurement.ts';
import {
  explainLean,
  forecastLevel,
  makeBudget,
  makeMemoryPlan,
  requireOneWorker,
  setAside,
  workersThatFit,
} from './memory.ts';
import { embeddingCost, isForGpus, type Kind, METRICS, surge } from './model.ts';
import { overruledByDatabase, withStored } from './persisted.ts';
import { connectionBudget, workersForConnections } from './pools.ts';
import { chooseRuntime, runtimeRecommendation, runtimeWarnings } from './runtime.ts';
import { type Missing, missingForSeveralWorkers, type Requirement, usesPgvector } from './services.ts';
import { planSettings } from './settings/index.ts';
import type { Plan, Recommendation } from './types.ts';
import { countWorkers, type OtherBounds, type WorkerCount } from './workers.ts';

/**
 * Facts and wishes → plan. Pure: the same input is the same plan. Throws TuneError where not even one worker fits.
 */
export function makePlan(input: PlanInput): Plan {
  const { machine, preset, settings, places } = input;
  const services = withMetrics(input);
  const preload = input.preload ?? preset.preload;
  const runtime = chooseRuntime(input);
  const requirement: Requirement = {
    settings,
    services,
    hasLocalVectors: input.hasLocalVectors,
    hasPgvectorDriver: input.openWebui.drivers.pgvector ?? false,
  };
  const kind = forecastLevel(
    preload,
    {
      ...requirement,
      settings: withStored(settings, services.database),
    },
    runtime,
  );
  const { measurement, notice } = measurementFor(input, kind);
  const { torch } = input.openWebui;
  const forecast = {
    ...kind,
    ...(torch !== undefined && { hasCuda: isForGpus(torch) }),
    ...(measurement && { measurement }),
  };
  const whole = makeBudget(machine.memory, preset, input.memory);
  const tight = requireOneWorker(whole, forecast, preset);
  const colocated = services.colocated ?? [];
  const { budget, lacking } = setAside(whole, colocated, forecast, preset);
  const missing = missingForSeveralWorkers(requirement);
  const bounds: OtherBounds = {
    // What was observed runs already: it is told that memory is tight, and not stopped.
    memory: Math.max(
      workersThatFit(budget.budget - budget.services, forecast, preset),
      measurement?.observed ? 1 : 0,
    ),
    database: workersForConnections(connectionBudget(services.database), settings, usesPgvector(requirement)),
    services: missing.length > 0 ? 1 : workersForRedis(services.redis),
    cpuShare: colocated.reduce((sum, { cpuShare }) => sum + cpuShare, 0),
  };
  const count = countWorkers(machine.cpu, preset, bounds, input.workers);
  const memory = {
    ...makeMemoryPlan(count.workers, budget, forecast, preset),
    ...(input.measured && runtime === 'preload' && { conditions: input.measured.settings }),
  };

  const plan: Omit<Plan, 'recommendations'> = {
    ...count,
    machine,
    memory,
    services,
    openWebui: {
      version: input.openWebui.version,
      python: input.openWebui.python,
      ...(torch !== undefined && { torch }),
    },
    preset: preset.name,
    host: input.host.value,
    port: input.port.value,
    runtime,
    preload,
    staticCache: runtime === 'preload' && (input.staticCache ?? preset.staticCache),
    shortcuts: runtime === 'preload' && (input.shortcuts ?? preset.shortcuts),
    drainSeconds: preset.drainSeconds,
    hangSeconds: preset.hangSeconds,
    ...(input.metricsPort !== undefined && { metricsPort: input.metricsPort }),
    places,
    ...(input.embedded && input.embedded.length > 0 && { embedded: input.embedded }),
    settings: planSettings(input, {
      ...requirement,
      workers: count.workers,
      compression: preset.compression,
      workerLimit: memory.workerLimit,
    }),
    warnings: [
      ...(input.warnings ?? []),
      ...machine.notes,
      ...explainOneWorker(missing, count, input.workers),
      ...explainWish(input, count),
      ...explainConnections(input, requirement, count.workers),
      ...explainLimits(machine, services),
      ...explainLean(forecast),
      ...tight,
      ...(notice === undefined ? [] : [notice]),
      ...runtimeWarnings({ runtime }),
      ...overruledByDatabase(settings, services.database),
      ...(lacking > 0
        ? [
            `${colocated.map(({ name }) => name).join(', ')} on this machine may need ${formatBytes(lacking)} more than is left beside one worker`,
          ]
        : []),
    ],
  };
  return { ...plan, recommendations: recommend(plan, input, requirement) };
}

/** The app that serves metrics takes memory as any other service on this machine. */
function withMetrics({ services, metricsPort }: PlanInput): ServiceFacts {
  if (metricsPort === undefined) return services;
  const metrics: Colocated = {
    name: 'metrics',
    where: `127.0.0.1:${metricsPort}`,
    bytes: METRICS,
    reason: 'one process of Node, measured',
    cpuShare: 0,
  };
  return { ...services, colocated: [...(services.colocated ?? []), metrics] };
}

/** What was measured of this kind of worker; nothing is of uvicorn's, which share nothing that could be. */
function measurementFor(
  { measured, openWebui, machine, preset }: PlanInput,
  { level, embedsLocally }: Kind,
): Choice {
  if (!measured || level === 'uvicorn') return {};
  return chooseMeasurement(measured.kept, {
    openWebui: openWebui.version,
    python: openWebui.python,
    torch: openWebui.torch,
    architecture: machine.architecture,
    preset: preset.name,
    level,
    embedsLocally,
    settings: measured.settings,
  });
}

/** Why there is one worker only, and what would change it. */
function explainOneWorker(
  missing: readonly Missing[],
  { bounds }: WorkerCount,
  wish: PlanInput['workers'],
): string[] {
  const wanted = wish?.value ?? Math.min(bounds.cores ?? 1, bounds.user ?? Number.POSITIVE_INFINITY);
  // Nothing is lost where one worker is all that there would be.
  if (wanted <= 1) return [];
  return missing.map(
    ({ what, problem, mend }) => `one worker, because ${what} is missing: ${problem}; ${mend}`,
  );
}

function explainWish(
  { workers: wish, machine }: PlanInput,
  { workers, limitedBy, bounds }: WorkerCount,
): string[] {
  if (!wish) return [];
  if (workers < wish.value && (limitedBy === 'memory' || limitedBy === 'database')) {
    return [`${wish.from} asks for ${plural(wish.value, 'worker')}: ${limitedBy} allows ${workers}`];
  }
  if (workers > (bounds.cores ?? workers)) {
    const cores = plural(machine.cpu.physicalCores, 'physical core');
    return [`${plural(workers, 'worker')} share ${cores}: more memory, but no more throughput`];
  }
  return [];
}

/** The numbers of the plan, each with its arithmetic. */
function recommend(
  plan: Omit<Plan, 'recommendations'>,
  input: PlanInput,
  requirement: Requirement,
): Recommendation[] {
  const { memory, workers, limitedBy } = plan;
  return [
    {
      key: 'workers',
      value: workers,
      reason: workersReason(plan, input),
      source: limitedBy === 'user' ? (input.workers?.source ?? 'preset') : 'computed',
      limitedBy,
    },
    {
      key: 'memory.budget',
      value: formatBytes(memory.budget),
      reason: `${formatBytes(memory.from.bytes)} (${memory.from.source}) − ${formatBytes(memory.reserve)} reserve`,
      source: input.memory?.from === memory.from.source ? input.memory.source : 'computed',
    },
    {
      key: 'memory.predicted',
      value: formatBytes(memory.predicted),
      reason: `${formatBytes(memory.base)} for ${plan.runtime === 'uvicorn' ? 'their parent and what they share' : `the ${memory.level} preload`} + ${workers} × ${formatBytes(memory.worker)}${embeddingPart(memory, plan.openWebui.torch)}${memory.measuredAt === undefined ? '' : `, ${memory.source}`}`,
      source: 'computed',
    },
    {
      key: 'memory.base',
      value: formatBytes(memory.base),
      reason: `what is there once, however many workers there are; ${memory.source}`,
      source: 'computed',
    },
    {
      key: 'memory.worker',
      value: formatBytes(memory.worker),
      reason: `private memory of a worker after its first requests${memory.supervisor > 0 ? `, ${formatBytes(memory.supervisor)} of it its supervisor’s` : ''}; ${memory.source}`,
      source: 'computed',
    },
    {
      key: 'memory.services',
      value: formatBytes(memory.services),
      reason: servicesReason(plan.services.colocated ?? []),
      source: 'computed',
    },
    ...(plan.runtime === 'preload' ? preloadNumbers(plan, input) : []),
    runtimeRecommendation(input),
    {
      key: 'address',
      value: `${input.host.value}:${input.port.value}`,
      reason: addressReason(input),
      source: input.host.source === 'flag' ? 'flag' : input.port.source,
    },
    {
      key: 'drainSeconds',
      value: plan.drainSeconds,
      reason: 'seconds that a worker may take to finish its answers when it is replaced',
      source: 'preset',
    },
    {
      key: 'hangSeconds',
      value: plan.hangSeconds,
      reason:
        plan.hangSeconds === 0
          ? 'a worker whose event loop stands still is not replaced'
          : 'seconds that a worker’s event loop may stand still before the worker is replaced',
      source: 'preset',
    },
    compressionRecommendation(input),
    ...metricsNumbers(plan),
    ...boundReasons(plan, input, requirement),
    ...machineFacts(plan.machine),
  ];
}

function embeddingPart({ level, embedsLocally, measuredAt }: Plan['memory'], torch = ''): string {
  const bytes =
    measuredAt === undefined ? embeddingCost({ level, embedsLocally, hasCuda: isForGpus(torch) }) : 0;
  return bytes > 0 ? `, ${formatBytes(bytes)} of it for the embedding model` : '';
}

/** Numbers that only forked workers have. */
function preloadNumbers(plan: Omit<Plan, 'recommendations'>, input: PlanInput): Recommendation[] {
  const { memory } = plan;
  return [
    {
      key: 'memory.workerLimit',
      value: formatBytes(memory.workerLimit),
      reason: 'private memory at which a worker is replaced by a new one',
      source: 'computed',
    },
    {
      key: 'preload',
      value: plan.preload === 'auto' ? `auto (${memory.level})` : plan.preload,
      reason: `${memory.levelReason}; ${memory.source}`,
      source: input.preload === undefined ? 'preset' : 'flag',
    },
    {
      key: 'staticCache',
      value: plan.staticCache ? 'on' : 'off',
      reason: plan.staticCache
        ? `the page’s hashed files are compressed once, into ${plan.places.staticCache}`
        : 'Open WebUI answers its page’s hashed files itself, and compresses them anew each time',
      source: input.staticCache === undefined ? 'preset' : 'flag',
    },
    {
      key: 'shortcuts',
      value: plan.shortcuts ? 'on' : 'off',
      reason: plan.shortcuts
        ? 'workers spare PostgreSQL round trips and route lookups that change no answer'
        : 'each query has a ping and a transaction of its own, and each request tries every route',
      source: input.shortcuts === undefined ? 'preset' : 'flag',
    },
  ];
}

function metricsNumbers({ metricsPort }: Omit<Plan, 'recommendations'>): Recommendation[] {
  if (metricsPort === undefined) return [];
  const value = `http://127.0.0.1:${metricsPort}/metrics`;
  return [{ key: 'metrics', value, reason: 'for Prometheus, by an app of its own', source: 'flag' }];
}

function workersReason(
  { limitedBy, bounds, machine, memory }: Omit<Plan, 'recommendations'>,
  input: PlanInput,
): string {
  const { physicalCores, logicalCpus, quota, kinds } = machine.cpu;
  const cores = plural(physicalCores, 'physical core');
  switch (limitedBy) {
    case 'services':
      if (bounds.services !== 1) return `Redis takes connections for ${bounds.services}`;
      return input.workers
        ? `more are not possible as things are (${input.workers.from})`
        : `more are not possible as things are; ${cores} would take ${bounds.cores}`;
    case 'user':
      return input.workers
        ? `${input.workers.from} asks for it`
        : `the preset ${JSON.stringify(input.preset.name)} takes no more`;
    case 'memory':
      return `${formatBytes(memory.budget - memory.services)} hold ${formatBytes(memory.base)} + ${(bounds.memory ?? 0) + surge(memory.level)} × ${formatBytes(memory.worker + memory.growth)}${surge(memory.level) > 0 ? ' (one of them for reloads)' : ''}`;
    case 'database':
      return `the database has connections for ${bounds.database}, and for one more while reloading`;
    case 'cores':
      if (kinds && !(quota && quota.cores < physicalCores)) {
        return `${cores}: ${kinds.performance} performance, ${kinds.efficiency} efficiency (${logicalCpus} hyper-threads)`;
      }
      if (quota && quota.cores < physicalCores) return `a quota of ${quota.cores} CPUs (${quota.source})`;
      return logicalCpus > physicalCores ? `${cores} (${logicalCpus} hyper-threads)` : cores;
  }
}

function addressReason({ host, port }: PlanInput): string {
  const from = [...new Set([host.from, port.from])].join(', ');
  if (!isLoopback(host.value)) return `all workers accept on it (${from})`;
  return `this machine only (${from}); for others: a reverse proxy in front, or --host 0.0.0.0`;
}

function compressionRecommendation({ preset, settings }: PlanInput): Recommendation {
  const key = 'compression';
  const theirs = settings.get('ENABLE_COMPRESSION_MIDDLEWARE');
  if (theirs) {
    const value = theirs.value.toLowerCase() === 'true' ? 'app' : 'off';
    return { key, value, reason: `ENABLE_COMPRESSION_MIDDLEWARE=${theirs.value}`, source: theirs.source };
  }
  const reason =
    preset.compression === 'app'
      ? 'by the workers; where a reverse proxy in front compresses, say "compression: proxy" in a preset'
      : 'left to the reverse proxy in front, as the preset says';
  return { key, value: preset.compression, reason, source: 'preset' };
}

/** Whether an address, or the name of one, is of this machine alone (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3). */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}

/** Whole MiB of the limit, as the runtime takes it. */
export function workerLimitMib(plan: Plan): number {
  return toMib(plan.memory.workerLimit);
}
