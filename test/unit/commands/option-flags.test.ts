import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addPlanOptions, addTakeBackOptions } from '../../../src/commands/option-flags.ts';
import { SWITCHES } from '../../../src/plan/options.ts';

/** What the flags say, without those that say nothing. */
function parse(command: Command, ...words: string[]): unknown {
  const options = command.parse(words, { from: 'user' }).opts();
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

describe('addPlanOptions', () => {
  it('says nothing of flags that are not given', () =>
    expect(parse(addPlanOptions(new Command()))).toEqual({}));

  it('reads values', () =>
    expect(
      parse(
        addPlanOptions(new Command()),
        '--workers',
        '4',
        '--memory',
        '50%',
        '--cpus',
        '1.5',
        '--no-shortcuts',
      ),
    ).toEqual({ workers: 4, memory: '50%', cpus: 1.5, shortcuts: false }));
});

describe('addTakeBackOptions', () => {
  it.each(SWITCHES)('can take %s back', (name) => {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const up = () => addPlanOptions(addTakeBackOptions(new Command()));
    expect(parse(up())).toEqual({});
    expect(parse(up(), flag)).toEqual({ [name]: true });
    expect(parse(up(), flag.replace('--', '--no-'))).toEqual({ [name]: false });
  });
});
