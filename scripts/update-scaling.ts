/** Puts the output of `webui-tune capacity` into docs/scaling.md: `npm run docs:scaling`; a test compares the two. */
import { readFileSync, writeFileSync } from 'node:fs';
import { withFigures } from '../test/scaling-document.ts';

const path = new URL('../docs/scaling.md', import.meta.url);
writeFileSync(path, withFigures(readFileSync(path, 'utf8')));
