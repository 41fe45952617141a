import { EXIT, TuneError } from '../errors.ts';
import type { PreloadChoice } from '../runtime/contract.ts';
import type {
  Colocated,
  MemoryFacts,
  MemoryPlan,
  PreloadLevel,
  Preset,
  RuntimeChoice,
  Settings,
} from '../types.ts';
import { formatBytes, MIB } from '../units.ts';
import type { Wish } from './input.ts';
import { baseCost, LEVELS, SUPERVISOR, surge, workerCost, workerGrowth } from './model.ts';
import { type Requirement, usesLocalChroma } from './services.ts';

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
  level: PreloadLevel,
  preset: Preset,
): { budget: Budget; lacking: number } {
  const wanted = colocated.reduce((sum, { bytes }) => sum + bytes, 0);
  const services = Math.min(wanted, Math.max(0, budget.budget - neededForOne(level, preset)));
  return { budget: { ...budget, services }, lacking: wanted - services };
}

/** Bytes of one worker, and of its successor during a reload. */
function neededForOne(level: PreloadLevel, preset: Preset): number {
  return baseCost(level, 1) + (1 + surge(level)) * (workerCost(level) + workerGrowth(level, preset));
}

export interface Forecast {
  level: PreloadLevel;
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
  if (runtime === 'uvicorn') {
    return {
      level: 'uvicorn',
      levelReason: 'each worker imports Open WebUI for itself, and so does their parent',
    };
  }
  if (choice === 'libraries' || choice === 'none')
    return { level: choice, levelReason: `${choice} is asked for` };
  if (usesLocalChroma(requirement)) {
    return { level: 'libraries', levelReason: 'local Chroma runs threads, and those cannot be forked' };
  }
  if (choice === 'lean') return { level: 'lean', levelReason: 'lean is asked for' };
  if (choice === 'app') return { level: 'full', levelReason: 'app is asked for' };
  return requirement.settings.get('RAG_EMBEDDING_ENGINE')?.value
    ? { level: 'lean', levelReason: 'embeddings are remote (RAG_EMBEDDING_ENGINE)' }
    : { level: 'full', levelReason: 'embeddings are local (RAG_EMBEDDING_ENGINE is empty)' };
}

/**
 * A lean preload beside local embeddings: the plan counts 76 MiB a worker, but each one that embeds imports torch for
 * itself (302 instead of 600 MiB private without it, measured).
 */
export function explainLean(level: PreloadLevel, settings: Settings): string[] {
  if (level !== 'lean' || settings.get('RAG_EMBEDDING_ENGINE')?.value) return [];
  return [
    'a lean preload with local embeddings: each worker that embeds loads torch for itself, some 300 MiB that are not ' +
      'planned for. Set RAG_EMBEDDING_ENGINE (openai, ollama), or take --preload auto',
  ];
}

/** Workers that fit, with room for one more while a reload replaces them. Zero: not even one does. */
export function workersThatFit(budget: number, level: PreloadLevel, preset: Preset): number {
  const each = workerCost(level) + workerGrowth(level, preset);
  const several = Math.floor((budget - LEVELS[level].base) / each) - surge(level);
  return Math.max(several, budget >= neededForOne(level, preset) ? 1 : 0);
}

/** Throws TuneError where not even one worker fits: by how much, and what would help. */
export function requireOneWorker(
  { budget, from, reserve }: Budget,
  level: PreloadLevel,
  preset: Preset,
): void {
  if (workersThatFit(budget, level, preset) >= 1) return;
  const each = workerCost(level) + workerGrowth(level, preset);
  const needed = neededForOne(level, preset);
  const help: string[] = [];
  const leanNeeded = LEVELS.lean.base + 2 * (workerCost('lean') + workerGrowth('lean', preset));
  if (level === 'full' && leanNeeded <= budget) {
    help.push(
      `RAG_EMBEDDING_ENGINE=openai (or ollama): remote embeddings need ${formatBytes(leanNeeded)} only`,
    );
  }
  // At best, a smaller preset gives back all of the reserve and of the room to grow.
  const atBest = reserve + 2 * workerGrowth(level, preset);
  if (preset.name !== 'small' && needed - budget < atBest) {
    help.push('webui-tune --preset small: keeps less in reserve');
  }
  throw new TuneError(
    `too little memory for one worker: ${formatBytes(needed - budget)} are missing.\n` +
      `  needed: ${formatBytes(needed)} = ${formatBytes(baseCost(level, 1))} for the ${level} preload ` +
      `+ ${surge(level) + 1} × ${formatBytes(each)} (one worker${surge(level) > 0 ? ', and its successor during a reload' : ''})\n` +
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
  const base = baseCost(forecast.level, workers);
  const worker = workerCost(forecast.level);
  return {
    ...budget,
    ...forecast,
    base,
    worker,
    growth: workerGrowth(forecast.level, preset),
    predicted: base + workers * worker,
    workerLimit: workerLimit(workers, ours(budget), forecast.level, preset),
  };
}

/**
 * The limit at which a worker is replaced: all of them may reach it, beside one that is starting, within the budget.
 * Never so low that an ordinary worker hits it, because that one would be replaced for ever.
 */
function workerLimit(workers: number, budget: number, level: PreloadLevel, preset: Preset): number {
  const growth = workerGrowth(level, preset);
  if (level === 'uvicorn') return LEVELS.uvicorn.worker + growth; // shown to nobody: PM2 cannot enforce it
  const starting = workerCost(level) + growth;
  const share = (budget - LEVELS[level].base - starting) / workers - SUPERVISOR;
  const stepped = Math.floor(share / LIMIT_STEP) * LIMIT_STEP;
  return Math.max(Math.min(stepped, preset.memory.workerLimit), LEVELS[level].worker + growth);
}
