import { GIB, MIB, plural } from '../base/units.ts';
import type { TopReport, TopWorker } from '../runtime/watch/schema.ts';
import { visible } from './report.ts';

/** The meaning of a piece of text; the terminal decides on colours. */
export type Tone = 'good' | 'doubtful' | 'bad' | 'quiet' | 'strong';

export interface Piece {
  text: string;
  tone?: Tone;
}

/** Pieces of one line, from left to right. */
export type Line = readonly Piece[];

/** Shown for an unknown value. */
const UNKNOWN = '–';

/** Shares of the memory limit from which a worker is marked. */
const NEAR_LIMIT = 0.75;
const AT_LIMIT = 0.9;

/** Milliseconds of standstill from which a worker is marked: people notice the first, and complain of the second. */
const DOUBTFUL_LAG = 150;
const BAD_LAG = 1_000;

/** Between columns. */
const GAP = '  ';

/** The most restarts that are shown. */
const MOST_RESTARTS = 10;

interface Column {
  heading: string;
  isText?: boolean;
  /** If the width is too small, columns of the highest rank are left out first; those of rank 0 never are. */
  rank: number;
  cell(worker: TopWorker, report: TopReport): Piece;
}

const COLUMNS: readonly Column[] = [
  { heading: '#', rank: 0, cell: ({ instance }) => ({ text: visible(instance) }) },
  { heading: 'pid', rank: 9, cell: ({ process }) => piece(process?.pid) },
  { heading: 'state', isText: true, rank: 0, cell: stateCell },
  { heading: 'private', rank: 1, cell: ({ process }) => piece(process?.memory?.privateBytes, size) },
  { heading: 'of limit', rank: 3, cell: limitCell },
  { heading: 'shared', rank: 12, cell: ({ process }) => piece(process?.memory?.sharedBytes, size) },
  { heading: 'PSS', rank: 10, cell: ({ process }) => piece(process?.memory?.proportionalBytes, size) },
  { heading: 'CPU', rank: 1, cell: ({ process }) => piece(process?.cpuPercent, percent) },
  { heading: 'req/s', rank: 4, cell: ({ requestsPerSecond }) => piece(requestsPerSecond, rate) },
  { heading: 'requests', rank: 8, cell: ({ requests }) => piece(requests, integer) },
  { heading: 'active', rank: 11, cell: ({ activeRequests }) => piece(activeRequests) },
  { heading: 'sockets', rank: 6, cell: ({ webSockets }) => piece(webSockets) },
  { heading: 'answers', rank: 5, cell: ({ generatingAnswers }) => piece(generatingAnswers) },
  { heading: 'tok/s', rank: 8, cell: ({ tokensPerSecond }) => piece(tokensPerSecond, rate) },
  { heading: 'lag', rank: 6, cell: lagCell },
  { heading: 'restarts', rank: 7, cell: restartsCell },
  { heading: 'generation', isText: true, rank: 14, cell: generationCell },
  { heading: 'up', rank: 13, cell: ({ process }, { at }) => piece(process && age(process.startedAt, at)) },
];

/**
 * The report as at most `height` lines of at most `width` characters: the workers, then the preload process and the
 * supervisors, then why workers were replaced. Pure.
 */
export function renderTop(report: TopReport, width: number, height = Number.POSITIVE_INFINITY): Line[] {
  const table = tableOf(report, width);
  const room = Math.max(0, height - 2);
  const above: Line[] = [titleOf(report), ...totalsOf(report, width), []];
  const fixed = [...above, ...table, ...besideOf(report), ...scaleOf(report)];
  const missing = report.instances.flatMap((instance) => downLines(instance, report.at));
  const lines = [...fixed, ...(missing.length > 0 ? [[], ...missing] : [])];
  const restarts = restartLines(report, Math.max(0, Math.min(room - lines.length, MOST_RESTARTS)));
  const all = [...lines, ...restarts].map((line) => cut(line, width));
  if (all.length <= height) return all;
  const left = `… and ${plural(all.length - height + 1, 'line')} more`;
  return [...all.slice(0, height - 1), cut([{ text: left, tone: 'quiet' }], width)];
}

/** The text of a line. */
export function plainText(line: Line): string {
  return line
    .map(({ text }) => text)
    .join('')
    .trimEnd();
}

function titleOf(report: TopReport): Line {
  const { openWebui, preload, generations, runtime } = report;
  const parts = [
    ...(openWebui === undefined ? [] : [openWebui]),
    ...(runtime === 'uvicorn' ? ['uvicorn’s own workers'] : []),
    ...(preload === undefined ? [] : [`${preload} preload`]),
    ...(generations.length > 0 ? [`generation ${generations.join(' and ')}`] : []),
  ].map(visible);
  const time = new Date(report.at).toTimeString().slice(0, 8);
  return [{ text: 'Open WebUI', tone: 'strong' }, { text: ` ${parts.join(', ')}  ${time}` }];
}

/** The totals, on as many lines as they need. */
function totalsOf({ total, workers, documents, runtime }: TopReport, width: number): Line[] {
  const doing =
    runtime === 'uvicorn'
      ? []
      : [
          `${total.requestsPerSecond === undefined ? UNKNOWN : rate(total.requestsPerSecond)} requests/s`,
          plural(total.generatingAnswers ?? 0, 'answer'),
          plural(total.webSockets ?? 0, 'socket'),
          ...documentsParts(documents),
          plural(total.restarts ?? 0, 'restart'),
        ];
  const parts = [
    `${total.workers} of ${plural(new Set(workers.map(({ instance }) => instance)).size, 'worker')} up`,
    `memory ${size(total.proportionalBytes)} (RSS adds up to ${size(total.residentBytes)})`,
    `CPU ${total.cpuPercent === undefined ? UNKNOWN : percent(total.cpuPercent)}`,
    ...doing,
  ];
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    const longer = last === undefined ? part : `${last}${GAP}${part}`;
    if (last === undefined || longer.length > width) lines.push(part);
    else lines[lines.length - 1] = longer;
  }
  return lines.map((text) => [{ text }]);
}

function documentsParts(documents: TopReport['documents']): string[] {
  if (!documents) return [];
  const { processes, waiting } = documents;
  return [`${plural(processes.length, 'document')}${waiting > 0 ? ` (${waiting} waiting)` : ''}`];
}

function tableOf(report: TopReport, width: number): Line[] {
  let columns = [...COLUMNS].filter(({ heading }) => isKnown(heading, report));
  for (;;) {
    const lines = renderColumns(columns, report);
    const widest = Math.max(...lines.map((line) => plainText(line).length));
    const leastNeeded = columns.reduce((a, b) => (b.rank > a.rank ? b : a));
    if (widest <= width || leastNeeded.rank === 0) return lines;
    columns = columns.filter((column) => column !== leastNeeded);
  }
}

/** Leaves out columns that would only hold dashes. */
function isKnown(heading: string, { runtime }: TopReport): boolean {
  return runtime !== 'uvicorn' || !['of limit', 'tok/s', 'lag', 'restarts', 'generation'].includes(heading);
}

function renderColumns(columns: readonly Column[], report: TopReport): Line[] {
  const rows = report.workers.map((worker) => columns.map(({ cell }) => cell(worker, report)));
  const widths = columns.map(({ heading }, index) =>
    Math.max(heading.length, ...rows.map((row) => row[index]?.text.length ?? 0)),
  );
  const pad = (text: string, index: number) => {
    const wide = widths[index] ?? 0;
    return columns[index]?.isText ? text.padEnd(wide) : text.padStart(wide);
  };
  const gap = (index: number) => (index === 0 ? '' : GAP);
  const heading = columns.map(({ heading }, index) => ({
    text: gap(index) + pad(heading, index),
    tone: 'quiet' as const,
  }));
  return [
    heading,
    ...rows.map((row) =>
      row.map(({ text, ...tone }, index) => ({ text: gap(index) + pad(text, index), ...tone })),
    ),
  ];
}

function stateCell({ state, process }: TopWorker): Piece {
  switch (state) {
    case 'serving':
      return { text: state, tone: 'good' };
    case 'hanging':
    case 'down':
      return { text: state, tone: 'bad' };
    case 'running':
      return process ? { text: state } : { text: 'silent', tone: 'bad' };
    default:
      return { text: state, tone: 'doubtful' };
  }
}

function limitCell({ process, memoryLimitBytes: limit }: TopWorker): Piece {
  const used = process?.memory?.privateBytes;
  if (limit === undefined || used === undefined) return { text: UNKNOWN };
  const share = used / limit;
  const tone = share >= AT_LIMIT ? 'bad' : share >= NEAR_LIMIT ? 'doubtful' : undefined;
  return { text: `${Math.round(share * 100)}% ${size(limit)}`, ...(tone && { tone }) };
}

function lagCell({ eventLoopLagMs: lag }: TopWorker): Piece {
  if (lag === undefined) return { text: UNKNOWN };
  const tone = lag >= BAD_LAG ? 'bad' : lag >= DOUBTFUL_LAG ? 'doubtful' : undefined;
  return { text: `${Math.round(lag)} ms`, ...(tone && { tone }) };
}

function restartsCell({ instance }: TopWorker, { instances }: TopReport): Piece {
  const found = instances.find((other) => other.instance === instance);
  if (!found) return { text: UNKNOWN };
  return { text: integer(Object.values(found.restarts).reduce((sum, count) => sum + count, 0)) };
}

function generationCell({ generation }: TopWorker, { generations }: TopReport): Piece {
  if (generation === undefined) return { text: UNKNOWN };
  return { text: visible(generation), ...(generations.length > 1 && { tone: 'doubtful' as const }) };
}

/** The processes that are not workers. */
function besideOf({ parent, runtime, workers, documents, total }: TopReport): Line[] {
  if (!parent && workers.length === 0) return [[{ text: 'nothing is running', tone: 'bad' }]];
  if (!parent) {
    if (runtime === 'uvicorn') return [];
    return [[{ text: 'the preload process does not run: a worker that ends is not replaced', tone: 'bad' }]];
  }
  const proportional = (processes: (TopWorker['process'] | undefined)[]) =>
    processes.reduce((sum, process) => sum + (process?.memory?.proportionalBytes ?? 0), 0);
  const inWorkers = proportional(workers.map(({ process }) => process));
  const inDocuments = proportional(documents?.processes ?? []);
  const own = parent.memory?.proportionalBytes ?? 0;
  const name = runtime === 'uvicorn' ? 'their parent' : 'preload process';
  const others = total.proportionalBytes - inWorkers - inDocuments - own;
  const text =
    `${name} ${parent.pid}: ${piece(parent.memory && own, size).text} PSS, ${piece(parent.cpuPercent, percent).text} CPU` +
    (runtime === 'uvicorn' ? '' : `; supervisors: ${size(Math.max(0, others))}`) +
    (inDocuments > 0 ? `; documents: ${size(inDocuments)}` : '');
  return [[{ text, tone: 'quiet' }]];
}

/** Within which range workers come and go, and the last change. */
function scaleOf({ scale, at }: TopReport): Line[] {
  if (!scale) return [];
  const [last] = scale.changes;
  const parts = [
    `workers come and go: ${scale.least} to ${scale.most}`,
    ...(last ? [`${age(last.at, at)} ago ${last.from} → ${last.to}: ${last.detail}`] : []),
    ...(scale.holding === undefined ? [] : [`now held: ${scale.holding}`]),
  ];
  return [[{ text: visible(parts.join('; ')), tone: 'quiet' }]];
}

function downLines(instance: TopReport['instances'][number], now: string): Line[] {
  const { down, lastFailure, failedStarts } = instance;
  if (!down) return [];
  const since = down.at === undefined ? '' : ` for ${age(down.at, now)}`;
  const failed =
    lastFailure && (down.at === undefined || lastFailure.at >= down.at)
      ? `; ${plural(failedStarts, 'start')} failed, the last with ${lastFailure.detail}`
      : '';
  const text = `#${instance.instance} does not serve${since}: ${down.cause}, ${down.detail}${failed}`;
  return [[{ text: visible(text), tone: 'bad' }]];
}

function restartLines({ restarts, instances, at }: TopReport, most: number): Line[] {
  const counts = new Map<string, number>();
  for (const { restarts } of instances) {
    for (const [cause, count] of Object.entries(restarts)) {
      counts.set(cause, (counts.get(cause) ?? 0) + count);
    }
  }
  if (counts.size === 0 || most < 2) return [];
  const shown = restarts.slice(0, most);
  const ages = shown.map((restart) => age(restart.at, at));
  const widths = {
    instance: Math.max(...shown.map(({ instance }) => instance.length)),
    age: Math.max(...ages.map((text) => text.length)),
    cause: Math.max(...shown.map(({ cause }) => cause.length)),
  };
  const byCause = [...counts].map(([cause, count]) => `${count} ${cause}`).join(', ');
  return [
    [],
    [
      { text: 'restarts', tone: 'strong' },
      { text: `: ${byCause}`, tone: 'quiet' },
    ],
    ...shown.map(({ instance, cause, detail, gapSeconds }, index) => {
      const gap = gapSeconds === undefined ? '' : `back after ${seconds(gapSeconds)}: `;
      return [
        {
          text: `#${instance.padEnd(widths.instance)}${GAP}${(ages[index] ?? '').padStart(widths.age)} ago${GAP}`,
        },
        { text: cause.padEnd(widths.cause), tone: toneOf(cause) },
        { text: `${GAP}${gap}${visible(detail)}` },
      ];
    }),
  ];
}

/** A requested restart is not marked. */
function toneOf(cause: TopReport['restarts'][number]['cause']): Tone {
  if (cause === 'crash' || cause === 'hang' || cause === 'supervisor') return 'bad';
  return cause === 'memory' ? 'doubtful' : 'quiet';
}

// --- text ---------------------------------------------------------------------------------------

function cut(line: Line, width: number): Line {
  const pieces: Piece[] = [];
  let room = width;
  for (const { text, ...tone } of line) {
    if (text.length > room) {
      if (room > 0) pieces.push({ text: `${text.slice(0, room - 1)}…`, ...tone });
      return pieces;
    }
    pieces.push({ text, ...tone });
    room -= text.length;
  }
  return pieces;
}

function piece<T extends string | number>(
  value: T | undefined,
  format: (value: T) => string = String,
): Piece {
  return { text: value === undefined ? UNKNOWN : format(value) };
}

/** `67M`, `1.5G`: MiB and GiB, in four characters. */
function size(bytes: number): string {
  if (bytes >= GIB) return `${(bytes / GIB).toFixed(1)}G`;
  return `${Math.round(bytes / MIB)}M`;
}

function percent(value: number): string {
  return `${Math.round(value)}%`;
}

function rate(value: number): string {
  return value.toFixed(value < 100 ? 1 : 0);
}

function integer(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

function seconds(value: number): string {
  return value < 10 ? `${value.toFixed(1)} s` : duration(value);
}

/** Between two times. */
function age(from: string, to: string): string {
  return duration(Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000));
}

function duration(seconds: number): string {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
