import { InvalidArgumentError } from 'commander';
import { MOST_PORT } from '../plan/options.ts';

export function parsePort(text: string): number {
  return wholeNumber(text, MOST_PORT, `a port from 1 to ${MOST_PORT}`);
}

/** For commander: a number from 1 to `most`; anything else is an error of the command line. */
export function wholeNumber(text: string, most: number, expected: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
  throw new InvalidArgumentError(`Expected ${expected}.`);
}
