import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dotenvLine } from '../../../src/tune/secrets/dotenv.ts';
import { hostileText } from '../../kit/inputs.ts';

/** An interpreter that has python-dotenv would be a whole environment: its decoding is repeated here in Python's words. */
describe('dotenvLine', () => {
  /** python-dotenv 1.x, parser.py: _double_quoted_value and _double_quote_escapes. */
  function read(line: string): { name: string; value: string } | undefined {
    const match = /^([^=#\s]+)="((?:\\.|[^"\\])*)"\n$/s.exec(line);
    const escapes: Record<string, string> = {
      '\\': '\\',
      "'": "'",
      '"': '"',
      a: '\x07',
      b: '\b',
      f: '\f',
      n: '\n',
      r: '\r',
      t: '\t',
      v: '\v',
    };
    const value = match?.[2]?.replace(/\\([\\'"abfnrtv])/g, (_, letter: string) => escapes[letter] ?? '');
    return match?.[1] === undefined || value === undefined ? undefined : { name: match[1], value };
  }

  it.each([
    '',
    ' a ',
    '"',
    "'",
    '\\',
    '\\\\',
    '\\n',
    '\n',
    '\r\n',
    `${'$'}{HOME}`,
    '$A',
    '#x',
    'a #b',
    '=',
    '\u2028',
    'é',
    '\\"',
  ])('keeps %j', (value) => expect(read(dotenvLine('A', value))).toEqual({ name: 'A', value }));

  it('keeps any value, in one line', () => {
    fc.assert(
      fc.property(hostileText, (value) => {
        const line = dotenvLine('A', value);
        expect(line.slice(0, -1)).not.toMatch(/[\r\n]/);
        expect(read(line)).toEqual({ name: 'A', value });
      }),
    );
  });
});
