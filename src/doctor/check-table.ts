import { type Check, GROUPS } from './check.ts';

/** The table of all checks in docs/doctor.md, made from the checks themselves. */
export function renderCheckTable(checks: readonly Check[]): string {
  return GROUPS.map((group) => {
    const rows = checks
      .filter((check) => check.group === group)
      .map(({ id, title, why, source }) => `| \`${id}\` | ${[title, why, source].map(cell).join(' | ')} |\n`);
    return `### ${group}\n\n| check | what must hold | why it matters | source |\n| --- | --- | --- | --- |\n${rows.join('')}`;
  }).join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '&lt;');
}
