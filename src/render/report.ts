import type { Plan, PlannedSetting, Recommendation } from '../plan/types.ts';

/** A line of the report, by its kind; the terminal decides on colours. */
export interface ReportLine {
  kind: 'title' | 'row' | 'warning' | 'note' | 'blank';
  /** The columns of a row; the single text of any other kind. */
  cells: readonly string[];
}

/** The longest value that is shown; the file has longer values in full. */
const LONGEST_VALUE = 36;

/** Labels of the numbers in the report. */
const LABELS: Readonly<Record<string, string>> = {
  workers: 'workers',
  'memory.budget': 'memory budget',
  'memory.services': 'for services',
  'memory.predicted': 'memory needed',
  'memory.workerLimit': 'worker limit',
  preload: 'preload',
  runtime: 'runtime',
  address: 'address',
  drainSeconds: 'drain time',
  hangSeconds: 'hang limit',
  compression: 'compression',
  metrics: 'metrics',
  'machine.cores': 'physical cores',
  'machine.memory': 'free memory',
  'machine.container': 'container',
  'machine.vm': 'virtual machine',
};

/** The report on a plan: its numbers with their reasons, the settings with their sources, warnings and notes. */
export function reportOf(plan: Plan, notes: readonly string[]): ReportLine[] {
  const settings = plan.settings.filter(isWorthTelling);
  return [
    title(`Open WebUI ${plan.openWebui.version}, Python ${plan.openWebui.python}, preset ${plan.preset}`),
    ...plan.recommendations.filter(isForReport).map(numberRow),
    blank(),
    title('settings'),
    ...settings.map(settingRow),
    ...(plan.warnings.length > 0 ? [blank()] : []),
    ...plan.warnings.map((text): ReportLine => ({ kind: 'warning', cells: [text] })),
    ...(notes.length > 0 ? [blank()] : []),
    ...notes.map((text): ReportLine => ({ kind: 'note', cells: [text] })),
  ];
}

/** Lines of plain text, the columns of each block aligned; a blank line or a title ends a block. */
export function alignReport(lines: readonly ReportLine[]): string[] {
  return blocksOf(lines).flatMap((block) => {
    const rows = block.filter(({ kind }) => kind === 'row');
    const widths = [0, 1].map((column) =>
      Math.max(0, ...rows.map(({ cells }) => (cells[column] ?? '').length)),
    );
    return block.map(({ kind, cells }) => {
      if (kind !== 'row') return cells[0] ?? '';
      return `  ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd();
    });
  });
}

function blocksOf(lines: readonly ReportLine[]): ReportLine[][] {
  const blocks: ReportLine[][] = [];
  for (const line of lines) {
    if (line.kind === 'row' && blocks.length > 0) blocks.at(-1)?.push(line);
    else blocks.push([line]);
  }
  return blocks;
}

/** The other numbers are for --explain and --json. */
function isForReport({ key, value }: Recommendation): boolean {
  return Object.hasOwn(LABELS, key) && value !== 'none' && value !== '0 MiB';
}

function numberRow({ key, value, reason, source, limitedBy }: Recommendation): ReportLine {
  const cause = limitedBy ? `${limitedBy}: ` : source === 'flag' ? 'flag: ' : '';
  return { kind: 'row', cells: [LABELS[key] ?? key, String(value), visible(`${cause}${reason}`)] };
}

function settingRow({ key, value, source, reason }: PlannedSetting): ReportLine {
  const shown = value === undefined ? '(secret)' : visible(value);
  const cut = shown.length > LONGEST_VALUE ? `${shown.slice(0, LONGEST_VALUE - 1)}…` : shown;
  return {
    kind: 'row',
    cells: [visible(key), cut, reason === 'yours' ? source : `${source}: ${visible(reason)}`],
  };
}

/** PYTHONUNBUFFERED is always the same. */
function isWorthTelling({ key }: PlannedSetting): boolean {
  return key !== 'PYTHONUNBUFFERED';
}

/** Escapes control characters: values may hold anything, and must not control the terminal. */
export function visible(text: string): string {
  return text.replace(
    /\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/gu,
    (character) => JSON.stringify(character).slice(1, -1) || '?',
  );
}

function title(text: string): ReportLine {
  return { kind: 'title', cells: [text] };
}

function blank(): ReportLine {
  return { kind: 'blank', cells: [''] };
}
