/** The results as aligned lines. */
import { summarize } from '../src/bench/contest/statistics.ts';
import type { Result } from './run.ts';

const HEAD = [
  'event',
  'runs',
  'requests',
  'failed',
  'refused',
  'answers',
  'cut',
  'reconnected',
  'serves again (s): min',
  'median',
  'max',
  'verdict',
];

export function renderTable(results: readonly Result[]): string {
  const rows = [HEAD, ...results.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isText = (column: number) => column === 0 || column === HEAD.length - 1;
  const line = (row: string[]) =>
    row
      .map((cell, column) =>
        isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}

function cells({ title, runs, report, servesAgainMs, violations }: Result): string[] {
  const verdict = violations.length === 0 ? 'holds' : 'DOES NOT HOLD';
  const counts = report
    ? [report.requests, report.failed, report.refused, report.answers, report.cut.length, report.reconnected]
    : [];
  const times = servesAgainMs.length > 0 ? Object.values(pick(summarize(servesAgainMs))) : [];
  return [
    title,
    `${runs}`,
    ...pad(
      counts.map((count) => count.toLocaleString('en-US')),
      6,
    ),
    ...pad(
      times.map((ms) => (ms / 1000).toFixed(2)),
      3,
    ),
    verdict,
  ];
}

function pick({ min, median, max }: { min: number; median: number; max: number }) {
  return { min, median, max };
}

function pad(texts: string[], length: number): string[] {
  return Array.from({ length }, (_, index) => texts[index] ?? '–');
}
