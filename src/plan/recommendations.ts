import { isLoopback } from '../base/io/address.ts';
import { formatBytes, plural } from '../base/units.ts';
import { boundReasons, servicesReason } from './bounds.ts';
import { documentsNumber } from './documents.ts';
import { machineFacts } from './facts.ts';
import type { PlanInput, Requested } from './input.ts';
import { bytesForTree } from './memory.ts';
import { embeddingCost, isForGpus, surge } from './model.ts';
import { OPTIONS, SWITCHES } from './options.ts';
import { runtimeRecommendation } from './runtime.ts';
import type { Requirement } from './services.ts';
import type { Plan, Recommendation } from './types.ts';

/** The numbers of the plan, each with its arithmetic. */
export function recommend(
  plan: Omit<Plan, 'recommendations'>,
  input: PlanInput,
  { requirement, budgetFrom }: { requirement: Requirement; budgetFrom: Requested<number> },
): Recommendation[] {
  const { memory, workers, limitedBy } = plan;
  return [
    {
      key: 'workers',
      value: plan.leastWorkers === undefined ? workers : `${plan.leastWorkers} to ${workers}`,
      reason: `${plan.leastWorkers === undefined ? '' : 'as the load asks for; the most: '}${workersReason(plan, input)}`,
      source: limitedBy === 'user' ? (input.workers?.source ?? 'preset') : 'computed',
      limitedBy,
    },
    {
      key: 'memory.budget',
      value: formatBytes(memory.budget),
      reason: `${formatBytes(memory.from.bytes)} (${memory.from.source}) − ${formatBytes(memory.reserve)} reserve`,
      source: budgetFrom.source,
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
      reason: `needed once, whatever the number of workers; ${memory.source}`,
      source: 'computed',
    },
    {
      key: 'memory.worker',
      value: formatBytes(memory.worker),
      reason: `private memory of a worker after its first requests${memory.supervisor > 0 ? `, including ${formatBytes(memory.supervisor)} for its supervisor` : ''}; ${memory.source}`,
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
          ? 'a worker whose event loop is blocked is not replaced'
          : 'seconds that a worker’s event loop may be blocked before the worker is replaced',
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

/** Numbers that only a plan with forked workers has. */
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
    ...SWITCHES.map((key) => ({
      key,
      value: plan[key] ? 'on' : 'off',
      reason: OPTIONS[key].reason(plan[key], plan.places),
      source: input[key] === undefined ? ('preset' as const) : ('flag' as const),
    })),
    documentsNumber(plan, input),
  ];
}

function metricsNumbers({ metricsPort }: Omit<Plan, 'recommendations'>): Recommendation[] {
  if (metricsPort === undefined) return [];
  const value = `http://127.0.0.1:${metricsPort}/metrics`;
  return [{ key: 'metrics', value, reason: 'for Prometheus, served by a separate app', source: 'flag' }];
}

function workersReason(
  { limitedBy, bounds, machine, memory }: Omit<Plan, 'recommendations'>,
  input: PlanInput,
): string {
  const { physicalCores, logicalCpus, quota, kinds } = machine.cpu;
  const cores = plural(physicalCores, 'physical core');
  switch (limitedBy) {
    case 'services':
      if (bounds.services !== 1) return `Redis accepts connections for ${bounds.services}`;
      return input.workers
        ? `limited to one, see the warnings (${input.workers.from})`
        : `limited to one, see the warnings; ${cores} allow ${bounds.cores}`;
    case 'user':
      return input.workers
        ? `requested by ${input.workers.from}`
        : `the preset ${JSON.stringify(input.preset.name)} allows no more`;
    case 'memory':
      return `${formatBytes(bytesForTree(memory))} hold ${formatBytes(memory.base)} + ${(bounds.memory ?? 0) + surge(memory.level)} × ${formatBytes(memory.worker + memory.growth)}${surge(memory.level) > 0 ? ' (one of them for reloads)' : ''}`;
    case 'database':
      return `the database has connections for ${bounds.database}, and for one more during a reload`;
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
  if (!isLoopback(host.value)) return `all workers accept connections there (${from})`;
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
      ? 'by the workers; if a reverse proxy compresses, set "compression: proxy" in a preset'
      : 'by the reverse proxy, as the preset says';
  return { key, value: preset.compression, reason, source: 'preset' };
}
