import { formatBytes, plural } from '../../base/units.ts';
import { nameOf } from './old-server.ts';
import { estimateOf, type MigrationPlan } from './plan.ts';
import { formatSeconds } from './progress-text.ts';

/** Findings that are listed; the others are counted. */
const SHOWN_FINDINGS = 20;
/** Tables that are listed by their size. */
const SHOWN_TABLES = 8;

/** What a migration would carry, how long it takes, and what cannot be carried as it is. */
export function planLines(plan: MigrationPlan): string[] {
  const { data, look, files, servers, key, target, resumed } = plan;
  const rows = look.tables.reduce((sum, table) => sum + table.rows, 0);
  const filled = look.tables.filter((table) => table.rows > 0);
  const largest = filled.toSorted((a, b) => b.rows - a.rows).slice(0, SHOWN_TABLES);
  const { seconds, outage } = estimateOf(plan);
  return [
    `from      ${data.source} (${formatBytes(look.bytes)}${data.isOlder ? ', of an older version: a copy of it is migrated first' : ''})`,
    `to        ${target}${resumed ? ', where an earlier run has begun' : ''}`,
    `rows      ${rows.toLocaleString('en')} in ${plural(filled.length, 'table')}: ${largest.map(({ name, rows: count }) => `${name} ${count.toLocaleString('en')}`).join(', ')}${filled.length > largest.length ? ', …' : ''}`,
    `vectors   ${vectorsText(plan)}`,
    `files     ${data.movesFiles ? `${files.files.toLocaleString('en')}, ${formatBytes(files.bytes)}: copied` : `stay in ${data.dataDir}`}`,
    `key       ${key === undefined ? 'not found: everybody signs in again, and encrypted values are lost' : `kept (${key.where})`}`,
    `stopped   ${servers.length === 0 ? 'nothing: nobody has the database open' : servers.map(nameOf).join(', ')}`,
    `time      about ${formatSeconds(seconds)}${servers.length > 0 ? `, of which Open WebUI is away for about ${formatSeconds(outage)}` : ''}`,
    ...findingLines(plan),
  ];
}

function vectorsText({ vectors, data }: MigrationPlan): string {
  if (vectors.store !== 'chroma') return `VECTOR_DB is ${vectors.store}: they stay there`;
  if (!data.hasVectors) return 'none';
  return `${vectors.vectors.toLocaleString('en')} in ${plural(vectors.collections.length, 'collection')}, from ${vectors.source ?? 'Chroma'}`;
}

function findingLines({ look, findings }: MigrationPlan): string[] {
  const count = Object.values(look.problems).reduce((sum, each) => sum + each, 0);
  const total = Math.max(count, findings.length);
  if (total === 0) return ['problems  none: everything is carried as it is'];
  const shown = findings.slice(0, SHOWN_FINDINGS).map(({ table, key, column, message }) => {
    const where = [table, column].filter(Boolean).join('.');
    return `  ${where}${key === null ? '' : ` (${key})`}: ${message}`;
  });
  return [
    `problems  ${plural(total, 'value')} cannot be carried as they are; each gets a line in the report:`,
    ...shown,
    ...(total > shown.length ? [`  and ${total - shown.length} more`] : []),
  ];
}
