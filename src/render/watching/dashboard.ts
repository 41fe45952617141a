/** A dashboard of Grafana, for import: JSON of its schema 39 (Grafana 10.4; later ones convert it). */

import { PANELS, type Panel } from './panels.ts';
import { metric } from './query.ts';

const SCHEMA = 39;
/** Columns of a dashboard. */
const WIDTH = 24;
const ROW_HEIGHT = 1;

/** The reader chooses it at the top of the page. */
const DATASOURCE = { type: 'prometheus', uid: '$datasource' };

interface Place {
  x: number;
  y: number;
  w: number;
  h: number;
}

export function renderDashboard(): string {
  const dashboard = {
    uid: 'webui-tune',
    title: 'Open WebUI',
    description: 'A cluster of webui-tune. Made by: webui-tune metrics --dashboard',
    tags: ['open-webui'],
    schemaVersion: SCHEMA,
    version: 1,
    editable: true,
    graphTooltip: 1,
    timezone: 'browser',
    time: { from: 'now-6h', to: 'now' },
    refresh: '30s',
    templating: { list: VARIABLES },
    annotations: { list: [] },
    links: [],
    panels: layOut(),
  };
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}

const VARIABLES = [
  { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus', refresh: 1 },
  {
    name: 'instance',
    label: 'Cluster',
    type: 'query',
    datasource: DATASOURCE,
    // As Grafana itself exports it: 1 asks for values of a label.
    query: {
      qryType: 1,
      query: `label_values(${metric('workers')}, instance)`,
      refId: 'PrometheusVariableQueryEditor-VariableQuery',
    },
    regex: '',
    // When the page is opened; sorted by name.
    refresh: 1,
    sort: 1,
    multi: true,
    includeAll: true,
    current: { text: 'All', value: '$__all' },
  },
];

/** Panels in rows, from left to right. */
function layOut(): object[] {
  const placed: object[] = [];
  let y = 0;
  for (const { title, height, panels } of PANELS) {
    placed.push({
      ...frame(placed, title, { x: 0, y, w: WIDTH, h: ROW_HEIGHT }),
      type: 'row',
      collapsed: false,
      panels: [],
    });
    y += ROW_HEIGHT;
    const w = Math.floor(WIDTH / panels.length);
    for (const [index, panel] of panels.entries()) {
      placed.push(toPanel(panel, frame(placed, panel.title, { x: index * w, y, w, h: height })));
    }
    y += height;
  }
  return placed;
}

function frame(before: readonly object[], title: string, gridPos: Place) {
  return { id: before.length + 1, title, gridPos };
}

function toPanel({ kind, unit, about, queries, limits, showsName = false }: Panel, of: object): object {
  return {
    ...of,
    type: kind,
    datasource: DATASOURCE,
    ...(about !== undefined && { description: about }),
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource: DATASOURCE,
      expr,
      legendFormat: legend,
      range: kind === 'timeseries',
      instant: kind === 'stat',
    })),
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(limits && { thresholds: thresholdsOf(limits) }),
        ...(kind === 'timeseries' && { custom: { fillOpacity: 10, showPoints: 'never' } }),
      },
      overrides: [],
    },
    options: kind === 'stat' ? { ...STAT, textMode: showsName ? 'name' : 'auto' } : SERIES,
  };
}

const SERIES = {
  legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
  tooltip: { mode: 'multi', sort: 'desc' },
};
const STAT = {
  reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
  colorMode: 'value',
  graphMode: 'none',
};

/** Green up to the first, then yellow, red from the second on; descending ones the other way round. */
function thresholdsOf([doubtful, bad]: readonly [number, number]): object {
  const rises = doubtful < bad;
  const [first, second] = rises ? [doubtful, bad] : [bad, doubtful];
  const colors = rises ? ['green', 'yellow', 'red'] : ['red', 'yellow', 'green'];
  const steps = [null, first, second].map((value, index) => ({ color: colors[index], value }));
  return { mode: 'absolute', steps };
}
