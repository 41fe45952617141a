import { describe, expect, it } from 'vitest';
import { requirementsIn } from '../../../src/doctor/read/requirements.ts';

describe('what a tool asks for', () => {
  it.each<[string, string, string[]]>([
    ['two packages', '"""\ntitle: x\nrequirements: a, b>=1.2 ,\n"""\ncode', ['a', 'b>=1.2']],
    ['none', '"""\ntitle: x\n"""\n', []],
    ['nothing after the docstring', '"""\ntitle: x\n"""\nrequirements: a\n', []],
    ['nothing without one', 'import os\n"""\nrequirements: a\n"""', []],
    ['the last of two lines', '"""\nrequirements: a\n  requirements: b\n', ['b']],
    ['lines of Windows', '"""\r\nrequirements: a\r\n"""', ['a']],
    ['nothing of nothing', '', []],
  ])('is %s', (_, content, expected) => expect(requirementsIn(content)).toEqual(expected));
});
