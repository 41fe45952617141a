/** The tables of docs/metrics.md, made from the metrics and the alerts themselves. */

import { METRICS, PREFIX } from '../../runtime/metrics/table.ts';
import { ALERTS } from './alerts.ts';

export function renderMetricTable(): string {
  const rows = Object.entries(METRICS).map(([name, { type, labels, help }]) => {
    const braces = labels.length > 0 ? `{${labels.join(',')}}` : '';
    return row(`\`${PREFIX}${name}${braces}\``, type, help);
  });
  return table('metric', 'type', 'what it is')(rows);
}

export function renderAlertTable(): string {
  const rows = ALERTS.map(({ name, severity, summary, description, for: duration = '' }) =>
    row(`\`${name}\``, severity, summary, duration, description),
  );
  return table('alert', 'severity', 'what is wrong', 'for', 'what to do')(rows);
}

function table(...headings: string[]): (rows: readonly string[]) => string {
  return (rows) => `${row(...headings)}${row(...headings.map(() => '---'))}${rows.join('')}`;
}

function row(...cells: string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
}
