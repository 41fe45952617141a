import { EXIT, TuneError } from '../base/errors.ts';
import type { MemoryFacts } from '../base/machine/facts.ts';
import { formatBytes, MIB } from '../base/units.ts';
import type { Colocated, Settings } from '../facts/types.ts';
import type { PreloadChoice, RuntimeChoice } from '../runtime/contract.ts';
import type { Wish } from './input.ts';
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
import { type Requirement, usesLocalChroma } from './services.ts';
import type { MemoryPlan, PreloadLevel, Preset } from './types.ts';

/** Any number of workers beyond one: the base is the same for all of them. */
const SEVERAL = 2;

/** Worker limits are whole multiples of this, so that a plan does not change with every megabyte that is free. */
const LIMIT_STEP = 64 * MIB;

export interface Budget {
  budget: number;
  from: { bytes: number; source: string };
  reserve: number;
  /** Bytes of the budget that are for services on the same machine. */
  services: number;
}

/** What is left for us. */
const ours = ({ budget, services }: Budget) => budget - services;

/** budget = min(what the user gave, the limit around us, what is available) − reserve. */
export function makeBudget(
  { availableBytes, ownBytes = 0, limit, totalBytes }: MemoryFacts,
  { memory }: Preset,
  wish: Wish<number> | undefined,
): Budget {
  const ceiling = Math.min(totalBytes, limit?.bytes ?? Number.POSITIVE_INFINITY);
  const running = ownBytes > 0 ? `, with the ${formatBytes(ownBytes)} that the running cluster holds` : '';
  const candidates = [
    { bytes: Math.min(availableBytes + ownBytes, ceiling), source: `available now${running}` },
    ...(limit ? [{ bytes: limit.bytes, source: `limit in ${limit.source}` }] : []),
    ...(wish ? [{ bytes: wish.value, source: wish.from }] : []),
  ];
  const from = candidates.reduce((least, next) => (next.bytes < least.bytes ? next : least));
  const share = Math.round(from.bytes * memory.reserveShare);
  const reserve = Math.min(Math.max(share, memory.reserveMin), memory.reserveMax);
  return { budget: Math.max(0, from.bytes - reserve), from, reserve, services: 0 };
}

/**
 * Sets memory aside for the services on this machine; but one worker goes before what they may never take. Returns what
 * they would need beyond that, in bytes.
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

/** Bytes of one worker, and of its successor during a reload. */
function neededForOne(kind: Kind, preset: Preset): number {
  return baseCost(kind, 1) + (1 + surge(kind.level)) * (workerCost(kind) + workerGrowth(kind, preset));
}

export interface Forecast extends Kind {
  levelReason: string;
}

/**
 * What the preload process will have imported: a forecast, because it decides itself, by its safety checks and by the
 * engines in Open WebUI's database, which win over the environment after the first boot.
 */
export function forecastLevel(
  choice: PreloadChoice,
  requirement: Requirement,
  runtime: RuntimeChoice = 'preload',
): Forecast {
  const embedsLocally = embedsLocallyWith(requirement.settings);
  const forecast = (level: PreloadLevel, levelReason: string) => ({ level, levelReason, embedsLocally });
  if (runtime === 'uvicorn')
    return forecast('uvicorn', 'each worker imports Open WebUI for itself, and so does their parent');
  if (choice === 'libraries' || choice === 'none') return forecast(choice, `${choice} is asked for`);
  if (usesLocalChroma(requirement))
    return forecast('libraries', 'local Chroma runs threads, and those cannot be forked');
  if (choice === 'lean') return forecast('lean', 'lean is asked for');
  if (choice === 'app') return forecast('full', 'app is asked for');
  return embedsLocally
    ? forecast('full', 'embeddings are local (RAG_EMBEDDING_ENGINE is empty)')
    : forecast('lean', 'embeddings are remote (RAG_EMBEDDING_ENGINE)');
}

/**
 * open_webui/main.py, initialize_runtime_config (0.12.4): a worker loads the model as it starts, unless the preload process
 * has loaded it for all of them (level `full`).
 */
function embedsLocallyWith(settings: Settings): boolean {
  const isSlim = settings.get('USE_SLIM_DOCKER')?.value.toLowerCase() === 'true';
  return !settings.get('RAG_EMBEDDING_ENGINE')?.value && !isSlim;
}

/** A lean preload beside local embeddings: possible, but each worker then imports torch for itself. */
export function explainLean(kind: Kind): string[] {
  if (kind.level !== 'lean' || !kind.embedsLocally) return [];
  return [
    `a lean preload with local embeddings: each worker loads torch and the model for itself, ` +
      `${formatBytes(embeddingCost(kind))}. Set RAG_EMBEDDING_ENGINE (openai, ollama), or take --preload auto`,
  ];
}

/** Workers that fit, with room for one more while a reload replaces them. Zero: not even one does. */
export function workersThatFit(budget: number, kind: Kind, preset: Preset): number {
  const each = workerCost(kind) + workerGrowth(kind, preset);
  const several = Math.floor((budget - baseCost(kind, SEVERAL)) / each) - surge(kind.level);
  return Math.max(several, budget >= neededForOne(kind, preset) ? 1 : 0);
}

/**
 * Throws TuneError where not even one worker fits: by how much, and what would help. Returns a warning instead where that
 * was observed, because then one runs.
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
      `RAG_EMBEDDING_ENGINE=openai (or ollama): remote embeddings need ${formatBytes(leanNeeded)} only`,
    );
  }
  throw new TuneError(
    `too little memory for one worker: ${formatBytes(needed - budget)} are missing.\n` +
      `  needed: ${formatBytes(needed)} = ${formatBytes(baseCost(kind, 1))} for the ${kind.level} preload ` +
      `+ ${surge(kind.level) + 1} × ${formatBytes(each)} (one worker${surge(kind.level) > 0 ? ', and its successor during a reload' : ''})\n` +
      `  budget: ${formatBytes(budget)} = ${formatBytes(from.bytes)} (${from.source}) − ${formatBytes(reserve)} reserve`,
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
): MemoryPlan {
  const base = baseCost(forecast, workers);
  const worker = workerCost(forecast);
  const { level, levelReason, embedsLocally, measurement } = forecast;
  return {
    ...budget,
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
    workerLimit: workerLimit(workers, ours(budget), forecast, preset),
  };
}

/**
 * The limit at which a worker is replaced: all of them may reach it, beside one that is starting, within the budget.
 * Never so low that an ordinary worker hits it, because that one would be replaced for ever.
 */
function workerLimit(workers: number, budget: number, kind: Kind, preset: Preset): number {
  const growth = workerGrowth(kind, preset);
  if (kind.level === 'uvicorn') return privateCost(kind) + growth; // shown to nobody: PM2 cannot enforce it
  const starting = workerCost(kind) + growth;
  const share = (budget - baseCost(kind, workers) - starting) / workers - supervisorCost(kind);
  const stepped = Math.floor(share / LIMIT_STEP) * LIMIT_STEP;
  return Math.max(Math.min(stepped, preset.memory.workerLimit), privateCost(kind) + growth);
}
