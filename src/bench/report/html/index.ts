import { BENCH_HEADER } from '../../../render/bench-header.ts';
import { FIGURE_IDS, FIGURES, type FigureId } from '../../contest/figures.ts';
import type { BenchReport, ContenderReport, SweepReport } from '../../contest/schema.ts';
import { formatNumber, summarize } from '../../contest/statistics.ts';
import { comparedWith, conditions, firstLine, headline, targetCells } from '../index.ts';
import { barChart, sweepChart, WIDTHS, type Width } from './charts.ts';
import { STYLE } from './style.ts';

/** What has a chart, in this order; the others are in the table alone. */
const CHARTS: readonly FigureId[] = [
  'apiPerSecond',
  'visitsPerSecond',
  'apiP99Ms',
  'chatsPerSecond',
  'tokenCpuMs',
  'readers',
  'besideP99Ms',
  'memoryMib',
  'startSeconds',
  'recoverSeconds',
  'reloadLost',
];

/** The whole report as one HTML file without scripts; pure. What it shows is text, whatever it says. */
export function renderBenchHtml(report: BenchReport): string {
  const whole = report.contenders.filter(({ memoryOnly }) => !memoryOnly);
  const memory = report.contenders.filter(({ memoryOnly }) => memoryOnly);
  return `${BENCH_HEADER}
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${text(headline(report))}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<h1>webui-tune bench</h1>
<p class="headline">${text(headline(report))}</p>
<p class="note">${text(conditions(report))}</p>
</header>
${targets(report)}
${report.sweep ? sweepSection(report.sweep) : ''}
${whole.length > 0 ? charts(whole) : ''}
${memory.length > 0 ? memorySection(memory) : ''}
${whole.length > 0 ? figures(whole) : ''}
${report.contenders.length > 0 ? how(report.contenders) : ''}
</main>
</body>
</html>
`;
}

/** Text as it is, also within an attribute's double quotes. */
export function text(value: string): string {
  const escapes: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return value.replace(/[&<>"']/g, (character) => escapes[character] ?? '');
}

function targets({ targets, contenders }: BenchReport): string {
  if (targets.length === 0) return '';
  const marks = { holds: '✓', misses: '✗', 'not measured': '–' };
  const items = targets.map((target) => {
    const [what = '', value = '', bound = '', verdict = ''] = targetCells(target);
    const beside = comparedWith(target, contenders);
    return `<li class="${target.verdict.replace(' ', '-')}"><span class="mark" aria-hidden="true">${marks[target.verdict]}</span><strong>${text(value)}</strong><span class="what">${text(what)}</span><span class="bound">${text(bound)}${beside ? `, beside ${text(beside)}` : ''}: ${text(verdict)}</span></li>`;
  });
  return `<section><h2>Must hold</h2><ul class="targets">${items.join('\n')}</ul></section>`;
}

function charts(contenders: readonly ContenderReport[]): string {
  return `<section><h2>Beside each other</h2>
<p class="note">Bars are medians; the line on a bar is from the smallest to the largest sample. <span class="key ours"></span> webui-tune <span class="key theirs"></span> the others. Where a bar is missing, see the <a href="#notes">notes</a>.</p>
<div class="charts">${figureCharts(CHARTS, contenders)}</div></section>`;
}

/** Those of them that somebody has. */
function figureCharts(figures: readonly FigureId[], contenders: readonly ContenderReport[]): string {
  return figures
    .filter((figure) => contenders.some((one) => one.figures[figure] !== undefined))
    .map((figure) => figureChart(figure, contenders))
    .join('\n');
}

function figureChart(figure: FigureId, contenders: readonly ContenderReport[]): string {
  const { title, unit, better, about } = FIGURES[figure];
  const label = `${title}: ${contenders
    .flatMap(({ name, figures }) => {
      const samples = figures[figure];
      return samples ? [`${name} ${formatNumber(summarize(samples).median)} ${unit}`] : [];
    })
    .join(', ')}`;
  return `<figure><figcaption><strong>${text(title)}</strong> <span class="unit">${text(unit)}, ${better} is better</span><br><span class="note">${text(about)}</span></figcaption>
${bothWidths(label, (width) => barChart(figure, contenders, width))}</figure>`;
}

/** The page shows one of them, by its width. */
function bothWidths(label: string, chart: (width: Width) => string): string {
  const widths = Object.keys(WIDTHS) as Width[];
  return widths
    .map(
      (width) => `<div class="chart ${width}" role="img" aria-label="${text(label)}">${chart(width)}</div>`,
    )
    .join('\n');
}

function memorySection(contenders: readonly ContenderReport[]): string {
  const workers = contenders[0]?.workers ?? 0;
  return `<section><h2>Memory of ${workers} workers</h2><div class="charts">${figureCharts(['memoryMib', 'startSeconds'], contenders)}</div></section>`;
}

function sweepSection(sweep: SweepReport): string {
  const rows = sweep.steps.map(({ workers, perSecond, p99Ms, memoryMib, addedSeconds }) => {
    const { min, median, max } = summarize(perSecond);
    const cells = [min, median, max, summarize(p99Ms).median, memoryMib].map(formatNumber);
    return [`${workers}`, ...cells, addedSeconds === undefined ? '–' : formatNumber(addedSeconds)];
  });
  const label = sweep.steps.map(
    ({ workers, perSecond }) => `${workers}: ${formatNumber(summarize(perSecond).median)}`,
  );
  return `<section><h2>How many workers</h2>
<p class="headline">Proposed: --workers ${sweep.proposal.workers}</p><p class="note">${text(sweep.proposal.reason)}</p>
<figure class="sweep"><figcaption><strong>API requests</strong> <span class="unit"><span class="key ours"></span> a second, on the left <span class="key theirs"></span> p99 in ms, on the right</span></figcaption>
${bothWidths(`API requests a second by workers: ${label.join(', ')}`, (width) => sweepChart(sweep, width))}</figure>
${table(['workers', 'min 1/s', 'median', 'max', 'p99 ms', 'MiB', 'added in s'], rows)}</section>`;
}

function figures(contenders: readonly ContenderReport[]): string {
  const rows = FIGURE_IDS.flatMap((figure) => {
    if (!contenders.some(({ figures }) => figures[figure])) return [];
    const { title, unit } = FIGURES[figure];
    return [[`${title} (${unit})`, ...contenders.map(({ figures }) => spread(figures[figure]))]];
  });
  return `<section class="figures"><h2>All figures</h2><p class="note">minimum / <b>median</b> / maximum</p>
${table(['', ...contenders.map(({ name }) => name)], rows)}</section>`;
}

function spread(samples: readonly number[] | undefined): string {
  if (!samples) return '–';
  const { min, median, max } = summarize(samples);
  return samples.length === 1 ? formatNumber(median) : [min, median, max].map(formatNumber).join(' / ');
}

/** Three numbers in a cell: the one in the middle stands out. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cell = (value: string) =>
    text(value).replace(/^([\d.,]+ \/ )([\d.,]+)( \/ [\d.,]+)$/, '$1<b>$2</b>$3');
  return `<div class="scroll" tabindex="0"><table><thead><tr>${head.map((name) => `<th scope="col">${text(name)}</th>`).join('')}</tr></thead>
<tbody>${rows.map(([first = '', ...rest]) => `<tr><th scope="row">${text(first)}</th>${rest.map((value) => `<td>${cell(value)}</td>`).join('')}</tr>`).join('\n')}</tbody></table></div>`;
}

function how(contenders: readonly ContenderReport[]): string {
  const items = contenders.map(
    ({ name, how, notes, failure }) =>
      `<dt>${text(name)}</dt><dd><code>${text(how)}</code>${[
        ...notes,
        ...(failure === undefined ? [] : [`not measured any further: ${firstLine(failure)}`]),
      ]
        .map((note) => `<br><span class="note">${text(note)}</span>`)
        .join('')}</dd>`,
  );
  return `<section id="notes"><h2>Contenders and notes</h2><dl>${items.join('\n')}</dl></section>`;
}
