/** How documents are processed beside the workers: by processes that the preload process forks, one for each document. */
import { formatBytes, MIB, plural } from '../base/units.ts';
import type { PlanInput } from './input.ts';
import type { PresetOptions } from './options.ts';
import type { DocumentsPlan, Plan, PreloadLevel, Recommendation } from './types.ts';

/** One more than one, so that a document that hangs does not hold all others; and more than this is for a batch job. */
const LEAST_AT_ONCE = 2;
const MOST_AT_ONCE = 4;

/**
 * Bytes at which a document fails: more than any ordinary one takes (a PDF of 600 pages took 345 MiB, measured, 0.12.4),
 * and no more than this however much there is.
 */
const LEAST_LIMIT = 512 * MIB;
const LARGEST_LIMIT = 2048 * MIB;
const LIMIT_STEP = 64 * MIB;

/** Of the memory that ordinary workers leave. The rest lets workers grow up to their limit. */
const SHARE = 0.5;

type AtOnce = PresetOptions['documentsAtOnce'];

/** Whether a process can be forked that has the app. */
function areBeside(level: PreloadLevel): boolean {
  return level === 'full' || level === 'lean';
}

/** Bytes that workers have to leave for the documents that were asked for; the others take what is left. */
export function askedMemory(atOnce: AtOnce, level: PreloadLevel): number {
  return atOnce === 'auto' || !areBeside(level) ? 0 : atOnce * LEAST_LIMIT;
}

/**
 * As many at once as were asked for, or half of the cores; fewer where `left`, the bytes that ordinary workers leave, are
 * too few, but never none. All documents at their limits fit into these bytes.
 */
export function planDocuments(
  asked: AtOnce,
  cores: number,
  left: number,
  level: PreloadLevel,
): DocumentsPlan {
  if (!areBeside(level)) return { atOnce: 0, memoryLimit: 0 };
  const usual = Math.min(Math.max(Math.ceil(cores / 2), LEAST_AT_ONCE), MOST_AT_ONCE);
  const atOnce = Math.max(1, Math.min(asked === 'auto' ? usual : asked, Math.floor(left / LEAST_LIMIT)));
  const share = Math.floor((left * SHARE) / atOnce / LIMIT_STEP) * LIMIT_STEP;
  return { atOnce, memoryLimit: Math.min(Math.max(share, LEAST_LIMIT), LARGEST_LIMIT) };
}

/** Warns where fewer are processed at once than were asked for. */
export function explainDocuments(asked: AtOnce, { atOnce }: DocumentsPlan): string[] {
  if (asked === 'auto' || atOnce === 0 || atOnce >= asked) return [];
  return [`${plural(asked, 'document')} at once were asked for, but memory allows only ${atOnce}`];
}

export function documentsNumber({ documents }: Pick<Plan, 'documents'>, input: PlanInput): Recommendation {
  const { atOnce, memoryLimit } = documents;
  const asked = input.documentsAtOnce ?? input.preset.documentsAtOnce;
  return {
    key: 'documents',
    value: atOnce,
    reason:
      atOnce === 0
        ? 'workers process documents themselves: there is no preloaded app to fork'
        : `documents at once, each in a process of its own with at most ${formatBytes(memoryLimit)} of the budget; the others wait`,
    source: asked !== atOnce ? 'computed' : input.documentsAtOnce === undefined ? 'preset' : 'flag',
  };
}
