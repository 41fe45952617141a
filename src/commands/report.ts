import type { Terminal } from '../base/io/terminal.ts';
import { alignReport, type ReportLine } from '../render/report.ts';

/** Prints a report on stderr, in colours if the terminal has them. */
export function printReport(lines: readonly ReportLine[], { err, colors }: Terminal): void {
  const aligned = alignReport(lines);
  lines.forEach(({ kind }, index) => {
    const text = aligned[index] ?? '';
    if (kind === 'title') err(`${colors.bold(text)}\n`);
    else if (kind === 'warning') err(`${colors.yellow('warning:')} ${text}\n`);
    else if (kind === 'note') err(`${colors.dim(text)}\n`);
    else err(`${text}\n`);
  });
}
