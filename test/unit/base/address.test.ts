import { describe, expect, it } from 'vitest';
import { addressOf } from '../../../src/base/io/address.ts';

describe('the address', () => {
  it.each([
    ['127.0.0.1', 'http://127.0.0.1:1'],
    ['0.0.0.0', 'http://127.0.0.1:1'],
    ['::', 'http://[::1]:1'],
    ['::1', 'http://[::1]:1'],
    ['example.org', 'http://example.org:1'],
  ])('of %s is %s', (host, address) => expect(addressOf({ host, port: 1 })).toBe(address));
});
