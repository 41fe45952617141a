import { describe, expect, it } from 'vitest';
import { checkEmail } from '../../../src/setup/up/admin.ts';

describe('the administrator', () => {
  it('has an address', () => {
    expect(checkEmail('a@example.org')).toBe('a@example.org');
    expect(checkEmail('admin@localhost')).toBe('admin@localhost');
    for (const wrong of ['', 'a', 'a@b', 'a b@example.org'])
      expect(() => checkEmail(wrong)).toThrow('is not an e-mail address');
  });
});
