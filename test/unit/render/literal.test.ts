import vm from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commentText, propertyName, stringLiteral } from '../../../src/render/literal.ts';
import { hostileText } from '../../kit/inputs.ts';

describe('stringLiteral', () => {
  it('is the string, whatever is in it', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const literal = stringLiteral(text);
        expect(vm.runInNewContext(literal)).toBe(text);
        expect(literal).not.toMatch(/[\n\r\u2028\u2029]|<\/|<!|-->|\*\//);
      }),
    );
  });

  it('hides nothing', () => expect(stringLiteral('a\u202eb\u200b')).toBe('"a\\u202eb\\u200b"'));
});

describe('propertyName', () => {
  it('is the name, whatever is in it', () => {
    fc.assert(
      fc.property(hostileText, (name) => {
        const object: unknown = vm.runInNewContext(`({ ${propertyName(name)}: 1 })`);
        expect(Object.keys(object as object)).toEqual([name]);
      }),
    );
  });
});

describe('commentText', () => {
  it('stays on its line', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        expect(vm.runInNewContext(`1 // ${commentText(text)}`)).toBe(1);
        expect(commentText(text)).not.toMatch(/[\n\r\u2028\u2029\0]/);
      }),
    );
  });
});
