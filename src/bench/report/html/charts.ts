/** Charts as SVG: drawn by Apache ECharts without a browser, so that the report needs no script. */
import {
  BarChart,
  type BarSeriesOption,
  CustomChart,
  type CustomSeriesOption,
  LineChart,
  type LineSeriesOption,
} from 'echarts/charts';
import {
  GridComponent,
  type GridComponentOption,
  MarkLineComponent,
  type MarkLineComponentOption,
} from 'echarts/components';
import { type ComposeOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { FigureId } from '../../contest/figures.ts';
import type { ContenderReport, SweepReport } from '../../contest/schema.ts';
import { formatNumber, summarize } from '../../contest/statistics.ts';

use([BarChart, CustomChart, LineChart, GridComponent, MarkLineComponent, SVGRenderer]);

type Option = ComposeOption<
  BarSeriesOption | CustomSeriesOption | LineSeriesOption | GridComponentOption | MarkLineComponentOption
>;

/** Pixels: of a phone held upright, and of half a desktop. The page shows the one that fits. */
export const WIDTHS = { narrow: 330, wide: 560 } as const;
export type Width = keyof typeof WIDTHS;

const ROW = 34;
const AROUND = 44;
const SWEEP_HEIGHT = 300;

/** The page's own colours: they change with its theme. */
const COLOR = {
  text: 'var(--text)',
  muted: 'var(--muted)',
  line: 'var(--line)',
  ours: 'var(--ours)',
  theirs: 'var(--theirs)',
};

const axis = {
  axisLabel: { color: COLOR.muted, fontSize: 11 },
  axisLine: { lineStyle: { color: COLOR.line } },
  splitLine: { lineStyle: { color: COLOR.line } },
  nameTextStyle: { color: COLOR.muted },
};

const textStyle = { fontFamily: 'inherit', color: COLOR.text };

/** A bar for each contender that has the figure, to its median; the line on it is from minimum to maximum. */
export function barChart(figure: FigureId, contenders: readonly ContenderReport[], width: Width): string {
  const rows = contenders.flatMap(({ id, name, figures }) => {
    const samples = figures[figure];
    return samples ? [{ name, isOurs: id.startsWith('ours'), ...summarize(samples) }] : [];
  });
  return draw(WIDTHS[width], rows.length * ROW + AROUND, {
    textStyle,
    grid: {
      left: 8,
      right: width === 'wide' ? 64 : 52,
      top: 8,
      bottom: 8,
      outerBounds: { left: 0, right: width === 'wide' ? 60 : 50, top: 0, bottom: 0 },
    },
    xAxis: { type: 'value', min: 0, splitNumber: width === 'wide' ? 5 : 3, ...axis },
    yAxis: {
      type: 'category',
      inverse: true,
      data: rows.map(({ name }) => name),
      ...axis,
      axisTick: { show: false },
      axisLabel: { color: COLOR.text, fontSize: width === 'wide' ? 12 : 10 },
    },
    series: [
      {
        type: 'bar',
        silent: true,
        barWidth: 16,
        data: rows.map(({ median, isOurs }) => ({
          value: median,
          itemStyle: { color: isOurs ? COLOR.ours : COLOR.theirs, borderRadius: [0, 3, 3, 0] },
        })),
      },
      {
        type: 'custom',
        silent: true,
        data: rows.map(({ min, max, median }, index) => [min, max, index, median]),
        encode: { x: [0, 1], y: 2 },
        renderItem: (_, api) => {
          const [from = 0, y = 0] = api.coord([api.value(0), api.value(2)]);
          const [to = 0] = api.coord([api.value(1), api.value(2)]);
          const style = { stroke: COLOR.text, fill: 'none', lineWidth: 1.5 };
          const tick = (x: number) => ({
            type: 'line' as const,
            shape: { x1: x, y1: y - 4, x2: x, y2: y + 4 },
            style,
          });
          return {
            type: 'group',
            children: [
              ...(to - from > 1
                ? [
                    { type: 'line' as const, shape: { x1: from, y1: y, x2: to, y2: y }, style },
                    tick(from),
                    tick(to),
                  ]
                : []),
              {
                type: 'text' as const,
                style: {
                  text: formatNumber(Number(api.value(3))),
                  x: to + 6,
                  y,
                  verticalAlign: 'middle',
                  fill: COLOR.text,
                  fontSize: 12,
                },
              },
            ],
          };
        },
      },
    ],
  });
}

/** Throughput by the number of workers, each sample a point, and p99 on the other side. */
export function sweepChart({ steps, proposal }: SweepReport, width: Width): string {
  const counts = steps.map(({ workers }) => `${workers}`);
  const medians = steps.map(({ perSecond }) => summarize(perSecond).median);
  return draw(WIDTHS[width], SWEEP_HEIGHT, {
    textStyle,
    grid: { left: 12, right: 12, top: 28, bottom: 8 },
    xAxis: { type: 'category', data: counts, name: 'workers', nameLocation: 'middle', nameGap: 28, ...axis },
    yAxis: [
      { type: 'value', min: 0, ...axis },
      { type: 'value', min: 0, ...axis, splitLine: { show: false } },
    ],
    series: [
      {
        type: 'line',
        silent: true,
        data: medians,
        symbol: 'circle',
        symbolSize: 8,
        lineStyle: { color: COLOR.ours, width: 3 },
        itemStyle: { color: COLOR.ours },
        markLine: {
          silent: true,
          symbol: 'none',
          data: [{ xAxis: `${proposal.workers}` }],
          lineStyle: { color: COLOR.text, type: 'dashed' },
          label: { formatter: 'proposed', color: COLOR.text },
        },
      },
      {
        type: 'line',
        silent: true,
        yAxisIndex: 1,
        data: steps.map(({ p99Ms }) => summarize(p99Ms).median),
        symbol: 'rect',
        symbolSize: 7,
        lineStyle: { color: COLOR.theirs, type: 'dotted', width: 2 },
        itemStyle: { color: COLOR.theirs },
      },
    ],
  });
}

function draw(width: number, height: number, option: Option): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, backgroundColor: 'transparent', ...option });
    // Its style sheets say what happens under a pointer: nothing here.
    return chart.renderToSVGString().replace(/<style.*?<\/style>/gs, '');
  } finally {
    // It would keep the process alive.
    chart.dispose();
  }
}
