import { formatBytes, plural } from '../../base/units.ts';
import { FIGURE_IDS, FIGURES, type FigureId } from '../contest/figures.ts';
import type { BenchReport, ContenderReport, TargetReport } from '../contest/schema.ts';
import { formatNumber, summarize } from '../contest/statistics.ts';

/** A line by what it is; the terminal decides on colours. */
export interface BenchLine {
  kind: 'title' | 'row' | 'holds' | 'misses' | 'note';
  text: string;
}

/** The columns of the table for terminals: few enough for a wide one. */
const COLUMNS: readonly (readonly [FigureId, string])[] = [
  ['visitsPerSecond', 'visits/s'],
  ['visitCpuMs', 'ms/visit'],
  ['apiPerSecond', 'API/s'],
  ['apiP50Ms', 'p50 ms'],
  ['apiP99Ms', 'p99 ms'],
  ['apiP999Ms', 'p99.9 ms'],
  ['chatsPerSecond', 'chats/s'],
  ['tokenCpuMs', 'ms/token'],
  ['readers', 'readers'],
  ['besideP99Ms', 'p99 beside docs'],
  ['memoryMib', 'MiB'],
  ['startSeconds', 'start s'],
  ['recoverSeconds', 'back s'],
  ['reloadLost', 'lost'],
];

/** The report for a terminal. Pure. */
export function renderBench(report: BenchReport, isVerbose = false): BenchLine[] {
  const { contenders, targets, sweep } = report;
  const several = contenders.filter(({ memoryOnly }) => !memoryOnly);
  const memory = contenders.filter(({ memoryOnly }) => memoryOnly);
  return [
    { kind: 'title', text: headline(report) },
    { kind: 'note', text: conditions(report) },
    ...(several.length > 0
      ? [
          blank,
          ...table([
            ['', ...COLUMNS.map(([, title]) => title)],
            ...several.map(({ name, figures }) => [
              name,
              ...COLUMNS.map(([figure]) => medianOf(figures[figure])),
            ]),
          ]).map(row),
          note('medians; minimum and maximum: --verbose, --json, --html'),
        ]
      : []),
    ...(memory.length > 0
      ? [
          blank,
          ...table([
            ['memory alone', 'workers', 'MiB', 'start s'],
            ...memory.map(({ name, workers, figures }) => [
              name,
              `${workers}`,
              medianOf(figures.memoryMib),
              medianOf(figures.startSeconds),
            ]),
          ]).map(row),
        ]
      : []),
    ...(isVerbose ? FIGURE_IDS.flatMap((figure) => block(figure, contenders)) : []),
    ...targetLines(targets, contenders),
    ...(sweep
      ? [
          blank,
          ...table([
            ['workers', 'API/s min', 'median', 'max', 'p99 ms', 'MiB', 'added in s'],
            ...sweep.steps.map(({ workers, perSecond, p99Ms, memoryMib, addedSeconds }) => {
              const { min, median, max } = summarize(perSecond);
              return [
                `${workers}`,
                ...[min, median, max, summarize(p99Ms).median, memoryMib].map(formatNumber),
                addedSeconds === undefined ? '' : formatNumber(addedSeconds),
              ];
            }),
          ]).map(row),
          { kind: 'title' as const, text: `proposed: --workers ${sweep.proposal.workers}` },
          note(sweep.proposal.reason),
        ]
      : []),
    ...noteLines(contenders),
  ];
}

export function headline({ machine, options, sweep }: BenchReport): string {
  const what = sweep ? 'how many workers' : `${plural(options.workers, 'worker')} each`;
  return `Open WebUI ${machine.openWebui}, ${what}, ${formatNumber(machine.cores)} × ${machine.cpu}`;
}

export function conditions({ machine, options, taken, minutes, version }: BenchReport): string {
  const { rounds, seconds, connections } = options;
  return (
    `${formatBytes(machine.memoryBytes)}, Linux ${machine.kernel}, Python ${machine.python}; ${machine.services}; ` +
    `${plural(rounds, 'round')} of ${formatNumber(seconds)} s for each kind of load, ${connections} connections; ` +
    `${formatNumber(minutes)} minutes, load average ${formatNumber(machine.busyAtStart)} before; ` +
    `${taken.slice(0, 16).replace('T', ' ')} UTC, webui-tune ${version}`
  );
}

/** The value of a claim, the bound, and how it stands. */
export function targetCells({ what, relation, target, value, unit, verdict }: TargetReport): string[] {
  const suffix = unit === '×' ? ' ×' : ` ${unit}`;
  return [
    what,
    value === undefined ? '–' : `${formatNumber(value)}${suffix}`,
    `${relation} ${formatNumber(target)}${suffix}`,
    verdict,
  ];
}

/** What a claim is compared with, by name. */
export function comparedWith({ baseline }: TargetReport, contenders: readonly ContenderReport[]): string {
  return contenders.find(({ id }) => id === baseline)?.name ?? baseline ?? '';
}

function targetLines(targets: readonly TargetReport[], contenders: readonly ContenderReport[]): BenchLine[] {
  if (targets.length === 0) return [];
  const lines = table([
    ['must hold', 'here', 'bound', '', 'beside'],
    ...targets.map((target) => [...targetCells(target), comparedWith(target, contenders)]),
  ]);
  return [
    blank,
    ...lines.map((text, index): BenchLine => {
      const verdict = targets[index - 1]?.verdict;
      return { kind: verdict === 'holds' || verdict === 'misses' ? verdict : 'row', text };
    }),
  ];
}

function block(figure: FigureId, contenders: readonly ContenderReport[]): BenchLine[] {
  const { title, unit, better, about } = FIGURES[figure];
  const rows = contenders.flatMap(({ name, workers, figures }) => {
    const samples = figures[figure];
    if (!samples) return [];
    const { min, median, max } = summarize(samples);
    return [[name, `${workers}`, ...[min, median, max].map(formatNumber), `${samples.length}`]];
  });
  if (rows.length === 0) return [];
  return [
    blank,
    { kind: 'title', text: `${title} (${unit}, ${better} is better): ${about}` },
    ...table([['', 'workers', 'min', 'median', 'max', 'n'], ...rows]).map(row),
  ];
}

function noteLines(contenders: readonly ContenderReport[]): BenchLine[] {
  const notes = contenders.flatMap(({ name, notes, failure }) => [
    ...notes.map((text) => `${name}: ${text}`),
    ...(failure === undefined ? [] : [`${name}: not measured any further: ${firstLine(failure)}`]),
  ]);
  return notes.length === 0 ? [] : [blank, ...notes.map(note)];
}

export function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

const blank: BenchLine = { kind: 'row', text: '' };
const row = (text: string): BenchLine => ({ kind: 'row', text });
const note = (text: string): BenchLine => ({ kind: 'note', text });

export function medianOf(samples: readonly number[] | undefined): string {
  return samples ? formatNumber(summarize(samples).median) : '–';
}

/** Aligned lines; all columns but the first to the right, where they hold numbers. */
function table(rows: readonly (readonly string[])[]): string[] {
  const columns = Math.max(...rows.map(({ length }) => length));
  const cells = (column: number) => rows.map((row) => row[column] ?? '');
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...cells(column).map(({ length }) => length)),
  );
  const isNumber = Array.from({ length: columns }, (_, column) =>
    cells(column)
      .slice(1)
      .every((cell) => /^[–\d.,]*$/.test(cell)),
  );
  return rows.map((row) =>
    widths
      .map((width, column) => {
        const cell = row[column] ?? '';
        return column > 0 && isNumber[column] ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
}
