/** Writes the tables of docs/metrics.md from the metrics and the alerts; a test compares them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { renderAlertTable, renderMetricTable } from '../src/render/watching/tables.ts';

const PAGE = 'docs/metrics.md';

/** The page with the first table after the comment `<!-- NAME: … -->` replaced. */
function withTable(page: string, name: string, table: string): string {
  const place = new RegExp(`(<!-- ${name}: .*-->\\n)(?:\\n(?:\\|.*\\n)+)?`);
  return page.replace(place, (_, comment: string) => `${comment}\n${table}`);
}

const page = readFileSync(PAGE, 'utf8');
writeFileSync(PAGE, withTable(withTable(page, 'metrics', renderMetricTable()), 'alerts', renderAlertTable()));
