import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ALERTS, renderAlerts } from '../../../src/render/watching/alerts.ts';
import { renderAlertTable, renderMetricTable } from '../../../src/render/watching/tables.ts';
import { METRICS, PREFIX } from '../../../src/runtime/metrics/table.ts';
import { dashboardPanels, dashboardQueries } from '../../kit/dashboard.ts';
import { ROOT } from '../../kit/environment.ts';

/** Names of all series that the exporter can have. */
const SERIES = new Set(
  Object.entries(METRICS).flatMap(([name, { type }]) =>
    (type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']).map(
      (ending) => `${PREFIX}${name}${ending}`,
    ),
  ),
);

/** What queries ask for that is nowhere told, `up` of Prometheus itself aside. */
function unknownIn(queries: readonly string[]): string[] {
  const named = queries.flatMap((query) => query.match(new RegExp(`\\b${PREFIX}\\w+`, 'g')) ?? []);
  expect(named.length).toBeGreaterThanOrEqual(queries.length);
  return named.filter((name) => !SERIES.has(name));
}

describe('the dashboard', () => {
  it('asks only for what the exporter tells', () => {
    expect(unknownIn(dashboardQueries('5m').map(({ expr }) => expr))).toEqual([]);
  });

  it('has each panel in a place of its own', () => {
    const panels = dashboardPanels();
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)} ${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos, type, targets } of panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      expect(targets.length > 0).toBe(type !== 'row');
    }
  });
});

describe('the alerts', () => {
  it('ask only for what the exporter tells', () => {
    const exprs = ALERTS.map(({ expr }) => expr).filter((expr) => !expr.startsWith('up{'));
    expect(exprs).toHaveLength(ALERTS.length - 1);
    expect(unknownIn(exprs)).toEqual([]);
  });

  it('are rules of Prometheus, each with what is wrong and what to do', () => {
    const { groups } = parse(renderAlerts());
    expect(groups).toHaveLength(1);
    expect(new Set(ALERTS.map(({ name }) => name)).size).toBe(ALERTS.length);
    for (const { alert, labels, annotations } of groups[0].rules) {
      expect(alert).toMatch(/^OpenWebui[A-Z]\w+$/);
      expect(labels.severity).toMatch(/^(?:critical|warning)$/);
      expect(annotations.summary).toMatch(/^\S.*[^.]$/);
      expect(annotations.description).toMatch(/^\S.*\.$/);
    }
  });
});

describe('docs/metrics.md', () => {
  it('has all metrics and alerts: npx tsx scripts/metrics-tables.ts', () => {
    const page = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8');
    expect(page).toContain(`\n\n${renderMetricTable()}\n`);
    expect(page).toContain(`\n\n${renderAlertTable()}\n`);
  });
});
