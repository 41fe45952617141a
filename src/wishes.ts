import { EXIT, TuneError } from './errors.ts';
import type { Wish } from './plan/input.ts';
import type { WorkerVariable } from './settings/collect.ts';
import type { MachineFacts } from './types.ts';
import { parsePercent, parseSize } from './units.ts';

/** What a flag says, or the default in its place. */
export function wishOr<T>(value: T | undefined, flag: string, fallback: T): Wish<T> {
  return value === undefined
    ? { value: fallback, from: 'by default', source: 'computed' }
    : { value, from: flag, source: 'flag' };
}

/** `--workers` wins over the variables that uvicorn would read; `auto` takes both away. */
export function workersWish(
  flag: number | 'auto' | undefined,
  variable: WorkerVariable | undefined,
): Wish<number> | undefined {
  if (flag === 'auto') return undefined;
  if (flag !== undefined) return { value: flag, from: `--workers ${flag}`, source: 'flag' };
  if (!variable) return undefined;
  const value = Number(variable.value);
  const { name, source } = variable;
  if (Number.isInteger(value) && value >= 1) return { value, from: `${name}=${value}`, source };
  throw new TuneError(
    `${variable.name} is ${JSON.stringify(variable.value)}, not a number of workers`,
    EXIT.settings,
  );
}

/** A percentage is one of what we could have at most: of the limit around us, or of the machine. */
export function memoryWish(text: string | undefined, { memory }: MachineFacts): Wish<number> | undefined {
  if (text === undefined) return undefined;
  const from = `--memory ${text.trim()}`;
  const share = parsePercent(text);
  const ceiling = Math.min(memory.totalBytes, memory.limit?.bytes ?? Number.POSITIVE_INFINITY);
  if (share !== undefined) return { value: Math.floor(ceiling * share), from, source: 'flag' };
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes > 0) return { value: bytes, from, source: 'flag' };
  throw new TuneError(
    `--memory ${JSON.stringify(text)} is neither a size such as 2GiB nor a percentage such as 50%`,
    EXIT.usage,
  );
}
