import { afterAll, beforeEach } from 'vitest';
import { Scope } from '../../src/base/io/scope.ts';
import { lastLogged } from './pm2.ts';

/**
 * A scope that ends with the test file, also when its tests or its beforeAll failed. The error of a test that fails has what
 * supervisors and workers said: their logs go with the scope.
 */
export function useScope(): Scope {
  const scope = new Scope();
  beforeEach(({ onTestFailed }) => {
    onTestFailed(({ task }) => {
      const [error] = task.result?.errors ?? [];
      if (error) error.message += `\n${lastLogged()}`;
    });
  });
  afterAll(() => scope.close());
  return scope;
}
