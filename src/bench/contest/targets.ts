import { FIGURES, type FigureId } from './figures.ts';
import type { ContenderReport, TargetReport } from './schema.ts';
import { summarize } from './statistics.ts';

/** What is claimed, and must hold in the same run. */
interface Claim {
  what: string;
  figure: FigureId;
  /** Contender that the claim is about. */
  of: string;
  /** Compared with: the claim is about the quotient of the medians. Undefined: about the figure itself. */
  beside?: string;
  /** The quotient is the other way round: how many times less. */
  times?: 'less';
  relation: TargetReport['relation'];
  target: number;
}

/** `uvicorn --workers N`, which is what WEB_CONCURRENCY asks for. */
const THEIRS = 'web-concurrency';
const OURS = 'ours';

export const CLAIMS: readonly Claim[] = [
  {
    what: 'first visits a second',
    figure: 'visitsPerSecond',
    of: OURS,
    beside: THEIRS,
    relation: 'at least',
    target: 5,
  },
  { what: 'worker CPU of a first visit', figure: 'visitCpuMs', of: OURS, relation: 'at most', target: 150 },
  {
    what: 'API requests a second',
    figure: 'apiPerSecond',
    of: OURS,
    beside: THEIRS,
    relation: 'at least',
    target: 1.25,
  },
  {
    what: 'p99 of API requests',
    figure: 'apiP99Ms',
    of: OURS,
    beside: THEIRS,
    relation: 'at most',
    target: 1,
  },
  {
    what: 'worker CPU of a streamed token',
    figure: 'tokenCpuMs',
    of: OURS,
    beside: THEIRS,
    relation: 'at most',
    target: 0.4,
  },
  {
    what: 'chats at 50 tokens a second',
    figure: 'readers',
    of: OURS,
    beside: THEIRS,
    relation: 'at least',
    target: 1.5,
  },
  {
    what: 'p99 of API requests beside documents',
    figure: 'besideP99Ms',
    of: OURS,
    beside: THEIRS,
    relation: 'at most',
    target: 0.5,
  },
  {
    what: 'standstill beside documents',
    figure: 'standstillMs',
    of: OURS,
    beside: THEIRS,
    relation: 'at most',
    target: 0.5,
  },
  {
    what: 'memory, four workers, lean preload',
    figure: 'memoryMib',
    of: 'ours-4',
    beside: 'web-concurrency-4',
    relation: 'at most',
    target: 0.28,
  },
  {
    what: 'memory, four workers, full preload',
    figure: 'memoryMib',
    of: 'ours-full-4',
    beside: 'web-concurrency-4',
    relation: 'at most',
    target: 0.45,
  },
  {
    what: 'recovery: times as quick',
    figure: 'recoverSeconds',
    of: OURS,
    beside: THEIRS,
    times: 'less',
    relation: 'at least',
    target: 20,
  },
  { what: 'requests lost in a reload', figure: 'reloadLost', of: OURS, relation: 'at most', target: 0 },
];

/** How each claim stands; pure. A claim about the figure itself has to hold for its worst sample, a quotient for medians. */
export function judge(contenders: readonly ContenderReport[], claims = CLAIMS): TargetReport[] {
  const samplesOf = (id: string, figure: FigureId) =>
    contenders.find((one) => one.id === id)?.figures[figure];
  return claims.map(({ what, figure, of, beside, times, relation, target }) => {
    const value =
      beside === undefined
        ? worst(samplesOf(of, figure), relation)
        : quotient(samplesOf(of, figure), samplesOf(beside, figure), times);
    const holds = value !== undefined && (relation === 'at least' ? value >= target : value <= target);
    return {
      what,
      contender: of,
      ...(beside !== undefined && { baseline: beside }),
      relation,
      target,
      ...(value !== undefined && { value }),
      unit: beside === undefined ? FIGURES[figure].unit : '×',
      verdict: value === undefined ? 'not measured' : holds ? 'holds' : 'misses',
    };
  });
}

function worst(samples: number[] | undefined, relation: TargetReport['relation']): number | undefined {
  if (!samples) return undefined;
  const { min, max } = summarize(samples);
  return relation === 'at least' ? min : max;
}

function quotient(
  ours: number[] | undefined,
  theirs: number[] | undefined,
  times?: 'less',
): number | undefined {
  if (!ours || !theirs) return undefined;
  const [a, b] = [summarize(ours).median, summarize(theirs).median];
  const [over, under] = times === 'less' ? [b, a] : [a, b];
  return under === 0 ? undefined : over / under;
}
