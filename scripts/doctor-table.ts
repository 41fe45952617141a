/** Writes the table of docs/doctor.md from the checks; a test compares the two. */
import { readFileSync, writeFileSync } from 'node:fs';
import { renderCheckTable } from '../src/doctor/check-table.ts';
import { CHECKS } from '../src/doctor/checks/index.ts';

const PAGE = 'docs/doctor.md';
const TITLE = '## All checks';

const page = readFileSync(PAGE, 'utf8');
const comment = /^<!--.*-->$/m.exec(page.slice(page.indexOf(TITLE)))?.[0] ?? '';
const head = page.slice(0, page.indexOf(TITLE));
writeFileSync(PAGE, `${head}${TITLE}\n\n${comment}\n\n${renderCheckTable(CHECKS)}`);
