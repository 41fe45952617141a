import { afterAll } from 'vitest';
import { Scope } from '../../src/base/io/scope.ts';

/** A scope that ends with the test file, also when its tests or its beforeAll failed. */
export function useScope(): Scope {
  const scope = new Scope();
  afterAll(() => scope.close());
  return scope;
}
