import { formatBytes, plural, toMib } from '../base/units.ts';
import type { Colocated, ServiceFacts } from '../facts/types.ts';
import type { RuntimeChoice } from '../runtime/contract.ts';
import { explainConnections, explainLimits, workersForRedis } from './bounds.ts';
import { askedMemory, explainDocuments, planDocuments } from './documents.ts';
import type { PlanInput } from './input.ts';
import { type Choice, chooseMeasurement } from './measurement.ts';
import {
  bytesForTree,
  explainLean,
  forecastLevel,
  leftBeside,
  makeBudget,
  makeMemoryPlan,
  requireOneWorker,
  setAside,
  workersThatFit,
} from './memory.ts';
import { isForGpus, type Kind, METRICS, sharesUncounted } from './model.ts';
import { optionsWith, type PresetOptions } from './options.ts';
import { overruledByDatabase, withStored } from './persisted.ts';
import { connectionBudget, workersForConnections } from './pools.ts';
import { recommend } from './recommendations.ts';
import { chooseRuntime, requireForksForRange, runtimeWarnings } from './runtime.ts';
import { type Missing, missingForSeveralWorkers, type Requirement, usesPgvector } from './services.ts';
import { planSettings } from './settings/index.ts';
import type { Plan } from './types.ts';
import { countWorkers, type OtherBounds, type WorkerCount } from './workers.ts';

/**
 * Facts and requests → plan. Pure: the same input gives the same plan. Throws TuneError if not even one worker fits.
 */
export function makePlan(input: PlanInput): Plan {
  const { machine, preset, settings, places } = input;
  const services = withMetrics(input);
  const runtime = chooseRuntime(input);
  const options = chooseOptions(input, runtime);
  const requirement: Requirement = {
    settings,
    services,
    hasLocalVectors: input.hasLocalVectors,
    hasPgvectorDriver: input.openWebui.drivers.pgvector ?? false,
  };
  const kind = forecastLevel(
    options.preload,
    {
      ...requirement,
      settings: withStored(settings, services.database),
    },
    runtime,
  );
  const { measurement, notice } = measurementFor(input, kind);
  const { torch, python } = input.openWebui;
  const forecast = {
    ...kind,
    uncounted: sharesUncounted(python, options.shortcuts),
    ...(torch !== undefined && { hasCuda: isForGpus(torch) }),
    ...(measurement && { measurement }),
  };
  const whole = makeBudget(machine.memory, preset, input.memory);
  const tight = requireOneWorker(whole, forecast, preset);
  const colocated = services.colocated ?? [];
  const { budget, lacking } = setAside(whole, colocated, forecast, preset);
  const missing = missingForSeveralWorkers(requirement);
  const most = workersThatFit(bytesForTree(budget), forecast, preset);
  const beside = bytesForTree(budget) - askedMemory(options.documentsAtOnce, kind.level);
  const bounds: OtherBounds = {
    // An observed worker runs already: tight memory is a warning then, not an error. So are too many documents.
    memory: Math.max(
      workersThatFit(beside, forecast, preset),
      Math.min(most, 1),
      measurement?.observed ? 1 : 0,
    ),
    database: workersForConnections(connectionBudget(services.database), settings, usesPgvector(requirement)),
    services: missing.length > 0 ? 1 : workersForRedis(services.redis),
    cpuShare: colocated.reduce((sum, { cpuShare }) => sum + cpuShare, 0),
  };
  const count = countWorkers(machine.cpu, preset, bounds, input.workers);
  requireForksForRange(count, runtime);
  const documents = planDocuments(
    options.documentsAtOnce,
    Math.min(machine.cpu.physicalCores, machine.cpu.quota?.cores ?? machine.cpu.physicalCores),
    leftBeside(count.workers, bytesForTree(budget), forecast, preset),
    kind.level,
  );
  const memory = {
    ...makeMemoryPlan(count.workers, budget, forecast, preset, documents.atOnce * documents.memoryLimit),
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
    ...options,
    documents,
    drainSeconds: preset.drainSeconds,
    hangSeconds: preset.hangSeconds,
    ...(input.metricsPort !== undefined && { metricsPort: input.metricsPort }),
    places,
    ...(input.embedded && input.embedded.length > 0 && { embedded: input.embedded }),
    settings: planSettings(input, {
      ...requirement,
      workers: count.workers,
      uvicornWorkers: runtime === 'uvicorn' ? count.workers : 0,
      compression: preset.compression,
      workerLimit: memory.workerLimit,
    }),
    warnings: [
      ...(input.warnings ?? []),
      ...machine.notes,
      ...explainOneWorker(missing, count, input.workers),
      ...explainRequest(input, count),
      ...explainDocuments(options.documentsAtOnce, documents),
      ...explainConnections(input, requirement, count.workers),
      ...explainLimits(machine, services),
      ...explainLean(forecast),
      ...tight,
      ...(notice === undefined ? [] : [notice]),
      ...runtimeWarnings({ runtime }),
      ...overruledByDatabase(settings, services.database),
      ...(lacking > 0
        ? [
            `${colocated.map(({ name }) => name).join(', ')} on this machine may need ${formatBytes(lacking)} more than one worker leaves`,
          ]
        : []),
    ],
  };
  return { ...plan, recommendations: recommend(plan, input, { requirement, budgetFrom: budget.from }) };
}

/** Each option by its flag, else by the preset. Switches only apply to forked workers. */
function chooseOptions(input: PlanInput, runtime: RuntimeChoice): PresetOptions {
  const isForked = runtime === 'preload';
  return Object.fromEntries(
    optionsWith('inPresets').map((name) => {
      const value = input[name] ?? input.preset[name];
      return [name, typeof value === 'boolean' ? isForked && value : value];
    }),
  ) as PresetOptions;
}

/** The app that serves metrics takes memory like any other service on this machine. */
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

/** The measurement of this kind of worker; there are none of uvicorn's workers, which share nothing. */
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

/** Why there is only one worker, and what would change it. */
function explainOneWorker(
  missing: readonly Missing[],
  { bounds }: WorkerCount,
  requested: PlanInput['workers'],
): string[] {
  const wanted = requested?.value ?? Math.min(bounds.cores ?? 1, bounds.user ?? Number.POSITIVE_INFINITY);
  // One worker is all that there would be anyway.
  if (wanted <= 1) return [];
  return missing.map(
    ({ what, problem, mend }) => `one worker, because ${what} is missing (${problem}): ${mend}`,
  );
}

function explainRequest(
  { workers: requested, machine }: PlanInput,
  { workers, limitedBy, bounds }: WorkerCount,
): string[] {
  if (!requested) return [];
  if (workers < requested.value && (limitedBy === 'memory' || limitedBy === 'database')) {
    return [
      `${requested.from} asks for ${plural(requested.value, 'worker')}, but ${limitedBy} allows only ${workers}`,
    ];
  }
  if (workers > (bounds.cores ?? workers)) {
    const cores = plural(machine.cpu.physicalCores, 'physical core');
    return [`${plural(workers, 'worker')} share ${cores}: more memory, but no more throughput`];
  }
  return [];
}

/** The worker limit in whole MiB, as the runtime expects it. */
export function workerLimitMib(plan: Plan): number {
  return toMib(plan.memory.workerLimit);
}
