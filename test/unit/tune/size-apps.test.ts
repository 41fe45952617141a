import { createColors } from 'picocolors';
import { describe, expect, it } from 'vitest';
import { makeProgram } from '../../../src/commands/program.ts';
import { OPTION_NAMES, SWITCHES } from '../../../src/plan/options.ts';
import { argumentsOf } from '../../../src/tune/size-apps.ts';

/** A value for each option of the table. */
const ALL = Object.fromEntries(
  OPTION_NAMES.map((name) => [name, SWITCHES.some((one) => one === name) ? false : 'x']),
);

describe('argumentsOf', () => {
  it('turns options into flags', () =>
    expect(argumentsOf({ envFile: '/e f', port: 3000 })).toEqual(['--env-file', '/e f', '--port', '3000']));

  it('says nothing of what is not set', () => expect(argumentsOf({})).toEqual([]));

  it('knows the flag of every option', () => {
    const silent = { out: () => {}, err: () => {}, colors: createColors(false) };
    const flags = makeProgram(silent, () => {}).options.map(({ long }) => long);
    for (const flag of argumentsOf(ALL).filter((argument) => argument.startsWith('--'))) {
      expect(flags).toContain(flag);
    }
  });
});
