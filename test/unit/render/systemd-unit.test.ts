import { describe, expect, it } from 'vitest';
import { commandWord, environmentLine } from '../../../src/render/systemd/unit.ts';

describe('words of a unit', () => {
  it.each([
    ['/usr/bin/node', '/usr/bin/node'],
    ['/my node', '"/my node"'],
    ['/a%b', '"/a%%b"'],
    ['/a$b', '"/a$$b"'],
  ])('%s in a command line is %s', (word, expected) => expect(commandWord(word)).toBe(expected));

  it('a dollar in the environment is itself', () => expect(environmentLine('A', '$1').value).toBe('"A=$1"'));
});
