import { EXIT, TuneError } from '../base/errors.ts';
import type { MemoryFacts } from '../base/machine/facts.ts';
import { formatBytes, MIB } from '../base/units.ts';
import type { Colocated, Settings } from '../facts/types.ts';
import type { PreloadChoice, RuntimeChoice } from '../runtime/contract.ts';
import type { Requested } from './input.ts';
import {
  baseCost,
  embeddingCost,
  type Kind,
  privateCost,
  sourceOf,
  supervisorCost,
  surge,
  workerCost,
  workerGrowth,
} from './model.ts';
import type { Preset } from './preset.ts';
import { type Requirement, usesLocalChroma } from './services.ts';
import type { MemoryPlan, PreloadLevel } from './types.ts';

/** Any number above one: the base does not depend on it. */
const SEVERAL = 2;

/** Worker limits are whole multiples of this, so that a plan does not change with every megabyte that is free. */
const LIMIT_STEP = 64 * MIB;

export interface Budget extends Pick<MemoryPlan, 'budget' | 'reserve' | 'services'> {
  /** What the budget was cut from: the smallest of the user's request, the limit of our cgroup and the available memory. */
  from: Requested<number>;
}

/** Bytes of the budget that the tree may use; the rest is for services on the same machine. */
export function bytesForTree({ budget, services }: Pick<MemoryPlan, 'budget' | 'services'>): number {
  return budget - services;
}

/** budget = min(the user's request, the limit of our cgroup, the available memory) − reserve. */
export function makeBudget(
  { availableBytes, ownBytes = 0, limit, totalBytes }: MemoryFacts,
  { memory }: Preset,
  requested: Requested<number> | undefined,
): Budget {
  const ceiling = Math.min(totalBytes, limit?.bytes ?? Number.POSITIVE_INFINITY);
  const running = ownBytes > 0 ? `, with the ${formatBytes(ownBytes)} that the running cluster holds` : '';
  const found = (value: number, from: string): Requested<number> => ({ value, from, source: 'computed' });
  const candidates = [
    found(Math.min(availableBytes + ownBytes, ceiling), `available now${running}`),
    ...(limit ? [found(limit.bytes, `limit in ${limit.source}`)] : []),
    ...(requested ? [requested] : []),
  ];
  const from = candidates.reduce((least, next) => (next.value < least.value ? next : least));
  const share = Math.round(from.value * memory.reserve);
  const reserve = Math.min(Math.max(share, memory.reserveMin), memory.reserveMax);
  return { budget: Math.max(0, from.value - reserve), from, reserve, services: 0 };
}

/**
 * Sets memory aside for the services on this machine, but always leaves enough for one worker, because the services may
 * never take all of it. `lacking` is what they may need beyond that, in bytes.
 */
export function setAside(
  budget: Budget,
  colocated: readonly Colocated[],
  kind: Kind,
  preset: Preset,
): { budget: Budget; lacking: number } {
  const wanted = colocated.reduce((sum, { bytes }) => sum + bytes, 0);
  const services = Math.min(wanted, Math.max(0, budget.budget - neededForOne(kind, preset)));
  return { budget: { ...budget, services }, lacking: wanted - services };
}

/** Bytes of one worker and of its successor during a reload. */
function neededForOne(kind: Kind, preset: Preset): number {
  return baseCost(kind, 1) + (1 + surge(kind.level)) * (workerCost(kind) + workerGrowth(kind, preset));
}

export interface Forecast extends Kind {
  levelReason: string;
}

/**
 * What the preload process will have imported. This is a forecast, because the process itself decides: by its safety checks,
 * and by the engines in Open WebUI's database, which overrule the environment after the first boot.
 */
export function forecastLevel(
  choice: PreloadChoice,
  requirement: Requirement,
  runtime: RuntimeChoice = 'preload',
): Forecast {
  const embedsLocally = embedsLocallyWith(requirement.settings);
  const forecast = (level: PreloadLevel, levelReason: string) => ({ level, levelReason, embedsLocally });
  if (runtime === 'uvicorn')
    return forecast('uvicorn', 'each worker imports Open WebUI itself, and so does their parent');
  if (choice === 'libraries' || choice === 'none') return forecast(choice, `${choice} was requested`);
  if (usesLocalChroma(requirement))
    return forecast('libraries', 'local Chroma runs threads, which cannot be forked');
  if (choice === 'lean') return forecast('lean', 'lean was requested');
  if (choice === 'app') return forecast('full', 'app was requested');
  return embedsLocally
    ? forecast('full', 'embeddings are local (RAG_EMBEDDING_ENGINE is empty)')
    : forecast('lean', 'embeddings are remote (RAG_EMBEDDING_ENGINE)');
}

/**
 * open_webui/main.py, initialize_runtime_config (0.12.4): a worker loads the model when it starts, unless the preload
 * process has loaded it for all workers (level `full`).
 */
function embedsLocallyWith(settings: Settings): boolean {
  const isSlim = settings.get('USE_SLIM_DOCKER')?.value.toLowerCase() === 'true';
  return !settings.get('RAG_EMBEDDING_ENGINE')?.value && !isSlim;
}

/** Warns of a lean preload with local embeddings: it works, but each worker then imports torch itself. */
export function explainLean(kind: Kind): string[] {
  if (kind.level !== 'lean' || !kind.embedsLocally) return [];
  return [
    `a lean preload with local embeddings: each worker loads its own copy of torch and the model, ` +
      `${formatBytes(embeddingCost(kind))}. Set RAG_EMBEDDING_ENGINE (openai, ollama), or use --preload auto`,
  ];
}

/** Workers that fit, with room for one more during a reload. Zero: not even one fits. */
export function workersThatFit(budget: number, kind: Kind, preset: Preset): number {
  const each = workerCost(kind) + workerGrowth(kind, preset);
  const several = Math.floor((budget - baseCost(kind, SEVERAL)) / each) - surge(kind.level);
  return Math.max(several, budget >= neededForOne(kind, preset) ? 1 : 0);
}

/**
 * Throws TuneError if not even one worker fits; it says how much memory is missing and what would help. With observed
 * figures it returns a warning instead, because a worker runs already.
 */
export function requireOneWorker({ budget, from, reserve }: Budget, kind: Kind, preset: Preset): string[] {
  if (workersThatFit(budget, kind, preset) >= 1) return [];
  const each = workerCost(kind) + workerGrowth(kind, preset);
  const needed = neededForOne(kind, preset);
  if (kind.measurement?.observed) {
    return [
      `memory is tight: one worker and its successor during a reload need ${formatBytes(needed)}, ` +
        `${sourceOf(kind)}, and the budget is ${formatBytes(budget)}. Give it more memory, or set RAG_EMBEDDING_ENGINE ` +
        '(openai, ollama) for remote embeddings',
    ];
  }
  const help: string[] = [];
  const leanNeeded = neededForOne({ level: 'lean', embedsLocally: false }, preset);
  if (kind.level === 'full' && leanNeeded <= budget) {
    help.push(
      `RAG_EMBEDDING_ENGINE=openai (or ollama): remote embeddings need only ${formatBytes(leanNeeded)}`,
    );
  }
  throw new TuneError(
    `too little memory for one worker: ${formatBytes(needed - budget)} are missing.\n` +
      `  needed: ${formatBytes(needed)} = ${formatBytes(baseCost(kind, 1))} for the ${kind.level} preload ` +
      `+ ${surge(kind.level) + 1} × ${formatBytes(each)} (one worker${surge(kind.level) > 0 ? ', and its successor during a reload' : ''})\n` +
      `  budget: ${formatBytes(budget)} = ${formatBytes(from.value)} (${from.from}) − ${formatBytes(reserve)} reserve`,
    EXIT.machine,
    help,
  );
}

/** Memory of `workers` workers. */
export function makeMemoryPlan(
  workers: number,
  budget: Budget,
  forecast: Forecast,
  preset: Preset,
  documents: number,
): MemoryPlan {
  const base = baseCost(forecast, workers);
  const worker = workerCost(forecast);
  const { level, levelReason, embedsLocally, measurement } = forecast;
  return {
    ...budget,
    from: { bytes: budget.from.value, source: budget.from.from },
    level,
    levelReason,
    embedsLocally,
    base,
    worker,
    supervisor: supervisorCost(forecast),
    source: sourceOf(forecast),
    ...(measurement && { measuredAt: measurement.at }),
    growth: workerGrowth(forecast, preset),
    predicted: base + workers * worker,
    workerLimit: workerLimit(workers, bytesForTree(budget) - documents, forecast, preset),
  };
}

/** Bytes that are left beside so many workers, each grown as expected, and one more during a reload. */
export function leftBeside(workers: number, budget: number, kind: Kind, preset: Preset): number {
  const each = workerCost(kind) + workerGrowth(kind, preset);
  return Math.max(0, budget - baseCost(kind, workers) - (workers + surge(kind.level)) * each);
}

/**
 * The limit at which a worker is replaced: within the budget, all workers may reach it while one more starts. Never so low
 * that an ordinary worker reaches it, because that worker would be replaced again and again.
 */
function workerLimit(workers: number, budget: number, kind: Kind, preset: Preset): number {
  const growth = workerGrowth(kind, preset);
  if (kind.level === 'uvicorn') return privateCost(kind) + growth; // shown to nobody: PM2 cannot enforce it
  const starting = workerCost(kind) + growth;
  const share = (budget - baseCost(kind, workers) - starting) / workers - supervisorCost(kind);
  const stepped = Math.floor(share / LIMIT_STEP) * LIMIT_STEP;
  return Math.max(Math.min(stepped, preset.memory.workerLimit), privateCost(kind) + growth);
}
