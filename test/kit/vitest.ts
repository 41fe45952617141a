import { afterAll, beforeEach } from 'vitest';
import { Scope } from '../../src/base/io/scope.ts';
import { lastLogged } from './pm2.ts';

/**
 * A scope that ends with the test file, also when its tests or its beforeAll failed. Beside the error of a test that fails is
 * what supervisors and workers said: their logs go with the scope.
 */
export function useScope(): Scope {
  const scope = new Scope();
  beforeEach(({ onTestFailed }) => {
    onTestFailed(({ task }) => {
      const logged = lastLogged();
      if (logged !== '') task.result?.errors?.push({ name: 'logs', message: logged, stacks: [] });
    });
  });
  afterAll(() => scope.close());
  return scope;
}
