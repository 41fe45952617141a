/** Samples of one figure, its limit, and the table that shows both. */
import { summarize } from '../src/bench/contest/statistics.ts';

export interface Figure {
  what: string;
  unit: string;
  samples: number[];
  /** The most that the largest sample may be. Absent: the figure is for comparison only. */
  limit?: number;
}

export function isMissed({ samples, limit }: Figure): boolean {
  return limit !== undefined && !(summarize(samples).max <= limit);
}

/** The figures as aligned lines. */
export function renderTable(figures: Figure[]): string {
  const rows = figures.map((figure) => {
    const { min, median, max } = summarize(figure.samples);
    const numbers = [min, median, max].map((value) => format(value));
    const limit = figure.limit === undefined ? '' : `≤ ${format(figure.limit)}`;
    const verdict = figure.limit === undefined ? '' : isMissed(figure) ? 'MISSED' : 'holds';
    return [figure.what, figure.unit, `${figure.samples.length}`, ...numbers, limit, verdict];
  });
  const table = [['figure', 'unit', 'n', 'min', 'median', 'max', 'must hold', ''], ...rows];
  const widths =
    table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  const isNumber = (column: number) => column >= 2 && column <= 5;
  return table
    .map((row) =>
      row
        .map((cell, column) =>
          isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function format(value: number): string {
  const digits = Math.abs(value) < 10 && !Number.isInteger(value) ? 2 : 0;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
