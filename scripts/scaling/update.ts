/** Brings the figures of docs/scaling.md up to date: `npm run docs:scaling`; a test compares the two. */
import { readFileSync, writeFileSync } from 'node:fs';
import { withFigures } from './document.ts';

const path = new URL('../../docs/scaling.md', import.meta.url);
writeFileSync(path, withFigures(readFileSync(path, 'utf8')));
