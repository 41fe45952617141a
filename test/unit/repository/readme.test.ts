import { describe, expect, it } from 'vitest';
import { readmeCommands } from '../../kit/clone.ts';

describe('the README', () => {
  it('gives the two commands of a fresh clone first', () => {
    expect(readmeCommands().slice(0, 2)).toEqual(['npm start', 'npm test']);
  });
});
