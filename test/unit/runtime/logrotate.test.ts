import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KEPT, rotateLogs } from '../../../src/runtime/logrotate.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const LARGEST = 100;
const NAME = 'open-webui-out-3.log';
const MONTHS = 100 * 24 * 60 * 60;

describe('rotateLogs', () => {
  const rotate = (folder: string) => rotateLogs(folder, Date.now(), LARGEST);

  it('empties what is too large, and keeps so many old ones', () => {
    const folder = temporaryFolder();
    for (let round = 0; round < KEPT + 3; round++) {
      appendFileSync(join(folder, NAME), `round ${round} `.repeat(LARGEST));
      expect(rotate(folder)).toEqual([NAME]);
    }
    expect(readdirSync(folder)).toHaveLength(1 + KEPT);
    expect(statSync(join(folder, NAME)).size).toBe(0);
    expect(readFileSync(join(folder, `${NAME}.1`), 'utf8')).toContain(`round ${KEPT + 2} `);
    expect(readFileSync(join(folder, `${NAME}.${KEPT}`), 'utf8')).toContain('round 3 ');
  });

  it('leaves a writer that has the log open where it is', () => {
    const folder = temporaryFolder({ [NAME]: '' });
    // As PM2 opens it.
    const writer = openSync(join(folder, NAME), 'a');
    writeSync(writer, 'x'.repeat(LARGEST + 1));
    rotate(folder);
    writeSync(writer, 'after');
    closeSync(writer);
    expect(readFileSync(join(folder, NAME), 'utf8')).toBe('after');
  });

  it('leaves small ones, and those of other apps', () => {
    const large = 'x'.repeat(LARGEST + 1);
    const folder = temporaryFolder({ [NAME]: 'small', 'other-out.log': large, 'open-webuix-out.log': large });
    expect(rotate(folder)).toEqual([]);
    expect(readdirSync(folder)).toHaveLength(3);
  });

  it('empties what nobody has written to for a month', () => {
    const folder = temporaryFolder({
      [NAME]: 'old',
      [`${NAME}.1`]: 'older',
      'open-webui-postgres-error.log': '',
    });
    const then = Date.now() / 1000 - MONTHS;
    utimesSync(join(folder, NAME), then, then);
    rotate(folder);
    expect(existsSync(join(folder, `${NAME}.1`))).toBe(false);
    expect(statSync(join(folder, NAME)).size).toBe(0);
  });
});
