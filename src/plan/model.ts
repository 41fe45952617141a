import { MIB } from '../base/units.ts';
import { LEAST_GROWTH } from '../runtime/contract.ts';
import { type Measurement, sourceInWords } from './measurement.ts';
import type { Preset } from './preset.ts';
import type { PreloadLevel } from './types.ts';

/** What the process tree costs at one level of preloading. */
export interface LevelCost {
  /** Bytes, once: the preload process with everything that it shares with its workers. */
  base: number;
  /** Bytes of private memory of each additional worker, after its first requests. */
  worker: number;
  /** Additional bytes for each worker if a local model embeds documents. */
  embedding: number;
  /** Where `base` and `worker` come from. */
  source: string;
}

/**
 * Bytes of private memory of a PM2 cluster worker, the Node process that supervises one Python worker. Measured: 49 MiB RSS,
 * of which supervisors share all but 9; `base` holds the shared part.
 */
export const SUPERVISOR = 9 * MIB;

/**
 * Bytes of private memory of the app that serves metrics. Measured: 24 MiB after 60 scrapes (67 RSS), 37 after another 400
 * in a row.
 */
export const METRICS = 40 * MIB;

/** Bytes of the PM2 daemon in a container (measured: 59 MiB RSS with four instances) and of the files in its run folder. */
export const PM2_DAEMON = 96 * MIB;

/**
 * `Pss` of the whole tree and `Private_*` of its processes (/proc/PID/smaps_rollup) after chats, an upload and 1,500 API
 * calls, by `npm run bench:prediction` and `bench:cluster`: Open WebUI 0.12.4, Python 3.11, x86-64, two cores.
 */
export const LEVELS: Readonly<Record<PreloadLevel, LevelCost>> = {
  full: {
    // 580 MiB with one worker, 652 with two, 782 with four; each of the four has 64 to 74, its supervisor included. With a
    // shared local model (all-MiniLM-L6-v2) 657, 730 and 864.
    base: 510 * MIB,
    worker: 66 * MIB,
    // The model takes 20 MiB once, and torch's working memory 55 in each worker that has embedded a document; not all have.
    embedding: 35 * MIB,
    source: 'measured: 580 MiB with one worker, 652 with two, 782 with four',
  },
  lean: {
    // 328 MiB with one worker, 395 with two, 518 with four; each of the four has 59 to 68, its supervisor included.
    base: 260 * MIB,
    worker: 61 * MIB,
    // Torch (300 MiB, which the other levels share or load anyway) and the model: 1,351 MiB with two workers, when the base
    // was 85 MiB more.
    embedding: 425 * MIB,
    source: 'measured: 328 MiB with one worker, 395 with two, 518 with four',
  },
  libraries: {
    base: 660 * MIB,
    worker: 220 * MIB,
    embedding: 125 * MIB, // an estimate: nothing of it is shared
    source: 'measured: 899 MiB with one worker, 1,129 with two; 905 with local Chroma',
  },
  none: {
    // Library files that all workers map are in memory once: 825 MiB with one worker, 1,438 with two.
    base: 188 * MIB,
    worker: 620 * MIB,
    embedding: 125 * MIB, // an estimate: nothing of it is shared
    source: 'measured: 825 MiB with one worker, 1,438 with two',
  },
  uvicorn: {
    // The parent imports the app too, although it serves nobody: 188 + 5 × 620 for four workers, measured 3,202 MiB. A single
    // worker is the server itself: 746 MiB.
    base: 808 * MIB,
    worker: 620 * MIB,
    embedding: 125 * MIB, // an estimate: nothing of it is shared
    source: 'measured: 620 MiB private a worker, and as much for their parent',
  },
};

/** A worker whose Python does not count the references to what it shares (sharesUncounted), where that was measured. */
const UNCOUNTED: Partial<Record<PreloadLevel, Pick<LevelCost, 'base' | 'worker' | 'source'>>> = {
  // With the build of torch for GPUs, whose base is in CUDA: 980 MiB with one worker, 993 with two, 1,066 with four; each took
  // 34 to 39, its supervisor included. With a shared local model 1,071 with two.
  full: {
    base: 530 * MIB,
    worker: 28 * MIB,
    source: 'measured with Python 3.12: 34 to 39 MiB for a worker and its supervisor',
  },
  // Each worker took 31 to 40 MiB, its supervisor included.
  lean: {
    base: 275 * MIB,
    worker: 26 * MIB,
    source: 'measured with Python 3.12: 317 MiB with one worker, 341 with two, 411 with four',
  },
};

/**
 * What the build of torch for GPUs (2.14.1, CUDA 13, on a machine without a GPU) takes beyond the CPU build, by
 * `npm run bench:prediction -- --python VENV/bin/python`.
 */
export const CUDA: Readonly<Record<PreloadLevel, Pick<LevelCost, 'base' | 'worker' | 'embedding'>>> = {
  // 1,211 MiB with one worker, 1,291 with two; with a shared local model 1,304 and 1,391.
  full: { base: 390 * MIB, worker: 0, embedding: 0 },
  // If each worker loads torch itself: 1,286 MiB with one worker, 1,889 with two; its mapped files are in memory once.
  lean: { base: 250 * MIB, worker: 0, embedding: 160 * MIB },
  libraries: { base: 372 * MIB, worker: 0, embedding: 0 }, // 1,491 MiB with two workers
  // 1,941 MiB with two workers; the mapped files of torch's libraries are in memory once.
  none: { base: 250 * MIB, worker: 122 * MIB, embedding: 0 },
  uvicorn: { base: 370 * MIB, worker: 122 * MIB, embedding: 0 }, // 2,660 MiB with two workers
};

/** How workers are made and what they load: everything that their memory depends on. */
export interface Kind {
  level: PreloadLevel;
  embedsLocally: boolean;
  /** Torch is a GPU build: its libraries are in memory wherever torch is loaded, with or without a GPU. */
  hasCuda?: boolean;
  /** Python does not count the references to what workers share (sharesUncounted). */
  uncounted?: boolean;
  /** A measurement of this kind on this machine; replaces the table. */
  measurement?: Measurement;
}

/** Whether a version of torch (Conditions in measurement.ts) is a build for GPUs. */
export function isForGpus(torch: string): boolean {
  return /\(CUDA\)$|\+(?:cu\d|rocm|xpu)/.test(torch);
}

/**
 * Whether workers of this version of Python only look at what they share, and do not write to it: from 3.12 on, the preload
 * process stops counting its references (preload/webui_preload/sharing/heap.py), as one of the shortcuts.
 */
export function sharesUncounted(python: string, shortcuts: boolean): boolean {
  const [major = 0, minor = 0] = python.split('.').map(Number);
  return shortcuts && (major > 3 || (major === 3 && minor >= 12));
}

/** Bytes of the tree without its workers. A single uvicorn worker has no parent: it is the server itself. */
export function baseCost(kind: Kind, workers: number): number {
  const { level, embedsLocally, measurement, hasCuda, uncounted } = kind;
  if (measurement) return measurement.base;
  const from = level === 'uvicorn' && workers === 1 ? 'none' : level;
  const loadsTorch = level !== 'lean' || embedsLocally;
  const { base } = (uncounted && UNCOUNTED[from]) || LEVELS[from];
  return base + (hasCuda && loadsTorch ? CUDA[from].base : 0);
}

/** Additional workers during a reload, which starts the new worker first; uvicorn does not reload. */
export function surge(level: PreloadLevel): number {
  return level === 'uvicorn' ? 0 : 1;
}

/** Bytes that a local model takes in each worker. */
export function embeddingCost({ level, embedsLocally, hasCuda }: Kind): number {
  if (!embedsLocally) return 0;
  return LEVELS[level].embedding + (hasCuda ? CUDA[level].embedding : 0);
}

/** Bytes of private memory of a Python worker after its first requests. */
export function privateCost(kind: Kind): number {
  const { level, measurement, hasCuda, uncounted } = kind;
  if (measurement?.worker !== undefined) return measurement.worker;
  const { worker } = (uncounted && UNCOUNTED[level]) || LEVELS[level];
  const cost = worker + (hasCuda ? CUDA[level].worker : 0) + embeddingCost(kind);
  return Math.max(cost, measurement?.idle ?? 0);
}

/** Bytes that a worker may grow by. */
export function workerGrowth(kind: Kind, { memory }: Preset): number {
  if (kind.level === 'uvicorn') return memory.growth; // nothing enforces a limit
  return Math.max(memory.growth, Math.ceil(privateCost(kind) * LEAST_GROWTH));
}

/** Bytes of private memory of the process that supervises a worker; uvicorn's workers have none. */
export function supervisorCost({ level, measurement }: Kind): number {
  if (measurement) return measurement.supervisor;
  return level === 'uvicorn' ? 0 : SUPERVISOR;
}

/** Bytes of each additional worker, with its supervisor. */
export function workerCost(kind: Kind): number {
  return privateCost(kind) + supervisorCost(kind);
}

/** The source of the figures, in words. */
export function sourceOf({ level, measurement, uncounted }: Kind): string {
  if (measurement) return sourceInWords(measurement);
  return (uncounted && UNCOUNTED[level]?.source) || LEVELS[level].source;
}
