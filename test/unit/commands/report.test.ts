import { createColors } from 'picocolors';
import { describe, expect, it } from 'vitest';
import { printReport } from '../../../src/commands/report.ts';

describe('printReport', () => {
  const lines = [
    { kind: 'title', cells: ['title'] },
    { kind: 'row', cells: ['a', 'b', 'c'] },
    { kind: 'warning', cells: ['look'] },
  ] as const;
  const print = (colored: boolean) => {
    let text = '';
    const err = (part: string) => {
      text += part;
    };
    printReport(lines, { out: err, err, colors: createColors(colored) });
    return text;
  };

  it('is plain in a pipe', () => expect(print(false)).toBe('title\n  a  b  c\nwarning: look\n'));

  it('is coloured on a terminal', () => expect(print(true)).toContain('\u001b[33mwarning:\u001b[39m look'));
});
