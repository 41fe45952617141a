import { plural } from '../base/units.ts';
import { visible } from '../render/report.ts';
import type { Verdict } from './check.ts';
import type { Counts, Report } from './run.ts';

/** A line of the report by what it is; the terminal decides on colours. */
export interface DoctorLine {
  kind: 'group' | Verdict | 'detail' | 'blank';
  text: string;
}

const MARKS: Readonly<Record<Verdict, string>> = {
  ok: '✓',
  note: '·',
  skipped: '–',
  warning: '!',
  error: '✗',
};

/** What is worth reading first; the rest is for --verbose. */
const WITH_DETAILS: readonly Verdict[] = ['warning', 'error'];

/**
 * All findings by group. The reason, the mend and the source follow each one that is wrong, or, with --verbose, each
 * one.
 */
export function renderDoctor(reports: readonly Report[], isVerbose: boolean): DoctorLine[] {
  const width = Math.max(0, ...reports.map(({ check }) => check.id.length));
  const lines: DoctorLine[] = [];
  let group = '';
  for (const report of isVerbose ? reports : foldSkipped(reports)) {
    if (report.check.group !== group) {
      if (lines.length > 0) lines.push({ kind: 'blank', text: '' });
      group = report.check.group;
      lines.push({ kind: 'group', text: group });
    }
    lines.push(...linesOf(report, width, isVerbose));
  }
  return lines;
}

/** Puts the checks of a group that were skipped for the same reason on one line. */
function foldSkipped(reports: readonly Report[]): Report[] {
  const folded: Report[] = [];
  for (const report of reports) {
    const { check, verdict, found } = report;
    const before = folded.findIndex(
      (other) => verdict === 'skipped' && other.found === found && other.check.group === check.group,
    );
    const other = folded[before];
    if (!other) {
      folded.push(report);
      continue;
    }
    const count = 1 + Number(/^\d+(?= checks)/.exec(other.check.id)?.[0] ?? 1);
    folded[before] = { ...other, check: { ...other.check, id: `${count} checks` } };
  }
  return folded;
}

function linesOf({ check, verdict, found, mend, fix, fixed }: Report, width: number, isVerbose: boolean) {
  const [first = '', ...rest] = found.split('\n').map(visible);
  const indent = ' '.repeat(4);
  const lines: DoctorLine[] = [
    { kind: verdict, text: `  ${MARKS[verdict]} ${check.id.padEnd(width)}  ${first}` },
    ...rest.map((text): DoctorLine => ({ kind: 'detail', text: `${indent}${text}` })),
  ];
  const detail = (name: string, text: string) =>
    lines.push({ kind: 'detail', text: `${indent}${name.padEnd(7)} ${visible(text)}` });
  if (fixed !== undefined) detail('fixed:', fixed);
  if (!isVerbose && !WITH_DETAILS.includes(verdict)) return lines;
  if (fixed === undefined) {
    detail('why:', check.why);
    mend.forEach((text, index) => {
      detail(index === 0 ? 'mend:' : '', text);
    });
    if (fix) detail('', 'or: webui-tune doctor --fix');
  }
  detail('source:', check.source);
  return lines;
}

/** `1 error, 2 warnings, 3 notes; 40 checks are fine, 5 were skipped`. */
export function summaryOf(counts: Counts, isOpen: boolean): string {
  const bad = [plural(counts.error, 'error'), plural(counts.warning, 'warning'), plural(counts.note, 'note')];
  const end = isOpen ? '; what was fixed is counted too' : '';
  return `${bad.join(', ')}; ${counts.ok} fine, ${counts.skipped} skipped${end}`;
}
