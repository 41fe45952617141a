import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shellEnvironment } from '../../../src/facts/settings/shell-environment.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('shellEnvironment', () => {
  it('leaves out what Node has read from the same file', () => {
    const path = join(temporaryFolder({ f: 'A=1\nB="2"\nC=3\n' }), 'f');
    expect(shellEnvironment({ A: '1', B: '2', C: 'mine', D: '1' }, path)).toEqual({ C: 'mine', D: '1' });
    expect(shellEnvironment({ A: '1' }, '/nowhere')).toEqual({ A: '1' });
  });
});
