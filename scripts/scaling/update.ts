/** `npm run docs:scaling`: updates the figures of docs/scaling.md; a test compares them with the arithmetic. */
import { readFileSync, writeFileSync } from 'node:fs';
import { withFigures } from './document.ts';

const path = new URL('../../docs/scaling.md', import.meta.url);
writeFileSync(path, withFigures(readFileSync(path, 'utf8')));
