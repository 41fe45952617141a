import { describe, expect, it } from 'vitest';
import { OPTION_NAMES, type OptionName, ROWS, readOption, SWITCHES } from '../../../src/plan/options.ts';

describe('the table of options', () => {
  it.each(OPTION_NAMES)('%s has a flag of its name', (name) => {
    const kebab = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const isSwitch = SWITCHES.some((one) => one === name);
    expect(ROWS[name].flag.split(' ')[0]).toBe(`--${isSwitch ? 'no-' : ''}${kebab}`);
  });

  it('has a reason for each switch, and for nothing else', () =>
    expect(SWITCHES).toEqual(OPTION_NAMES.filter((name) => ROWS[name].flag.startsWith('--no-'))));
});

describe('readOption', () => {
  it.each<[OptionName, string, string | number | undefined]>([
    ['workers', '4', 4],
    ['workers', 'auto', 'auto'],
    ['workers', '1.5', undefined],
    ['workers', '-1', undefined],
    ['workers', '1025', undefined],
    ['workers', '1..4', '1..4'],
    ['workers', '3..3', '3..3'],
    ['workers', '4..1', undefined],
    ['workers', '0..4', undefined],
    ['workers', '1..1025', undefined],
    ['workers', '1-4', undefined],
    ['cpus', '1.5', 1.5],
    ['cpus', '0', undefined],
    ['cpus', '1e3', undefined],
    ['port', '65535', 65_535],
    ['port', '65536', undefined],
    ['port', ' 80', undefined],
    ['memory', '4GiB', '4GiB'],
    ['memory', '50%', '50%'],
    ['memory', '0', undefined],
    ['host', '::1', '::1'],
    ['host', 'a b', undefined],
    ['python', '3', '3'],
    ['preload', 'lean', 'lean'],
    ['preload', 'some', undefined],
    ['metrics', 'off', 'off'],
  ])('%s %j is %j', (name, text, value) => expect(readOption(name, text)).toBe(value));
});
