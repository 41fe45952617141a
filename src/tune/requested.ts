import { EXIT, TuneError } from '../base/errors.ts';
import type { MachineFacts } from '../base/machine/facts.ts';
import { parsePercent, parseSize } from '../base/units.ts';
import type { WorkerVariable } from '../facts/settings/collect.ts';
import type { PlanInput, Wish } from '../plan/input.ts';
import { METRICS_PORT } from '../runtime/contract.ts';
import type { TuneOptions } from './options.ts';

/**
 * This machine only, unlike `open-webui serve` (0.0.0.0): whoever opens the first account is the administrator, and
 * passwords over plain HTTP are for everybody on the way. The report says how to serve other machines.
 */
const DEFAULT_HOST = '127.0.0.1';

/** Open WebUI's own (`open-webui serve`). */
const DEFAULT_PORT = 8080;

/** What a flag says, or the default in its place. */
function wishOr<T>(value: T | undefined, flag: string, fallback: T): Wish<T> {
  return value === undefined
    ? { value: fallback, from: 'by default', source: 'computed' }
    : { value, from: flag, source: 'flag' };
}

/** The part of a plan's input that flags and variables alone decide. */
export function wishesOf(
  options: TuneOptions,
  machine: MachineFacts,
  variable: WorkerVariable | undefined,
): Pick<
  PlanInput,
  'workers' | 'memory' | 'host' | 'port' | 'preload' | 'staticCache' | 'shortcuts' | 'runtime' | 'metricsPort'
> {
  const workers = workersWish(options.workers, variable);
  const memory = memoryWish(options.memory, machine);
  return {
    ...(workers && { workers }),
    ...(memory && { memory }),
    host: wishOr(options.host, '--host', DEFAULT_HOST),
    port: wishOr(options.port, '--port', DEFAULT_PORT),
    ...(options.preload && { preload: options.preload }),
    ...(options.staticCache === false && { staticCache: false as const }),
    ...(options.shortcuts === false && { shortcuts: false as const }),
    ...(options.runtime && { runtime: options.runtime }),
    ...metricsWish(options, machine),
  };
}

/** Throws TuneError for a port that the workers have, and where there is nothing to read. */
function metricsWish(
  { metrics, port = DEFAULT_PORT }: TuneOptions,
  { platform }: MachineFacts,
): Pick<PlanInput, 'metricsPort'> {
  if (metrics === undefined || metrics === 'off') return {};
  if (platform !== 'linux') {
    throw new TuneError('--metrics reads /proc, which Linux alone has', EXIT.usage, ['leave it away']);
  }
  if (metrics !== port) return { metricsPort: metrics };
  throw new TuneError(`--metrics ${metrics}: the workers listen on that port`, EXIT.usage, [
    `choose another, such as --metrics ${METRICS_PORT}`,
  ]);
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

/** The machine with as many cores as `--cpus` says; the rest of 1.5 is a quota. */
export function cpuWish(cpus: number | undefined, machine: MachineFacts): MachineFacts {
  if (cpus === undefined) return machine;
  const source = `--cpus ${cpus}`;
  const cores = Math.ceil(cpus);
  const quota = cores === cpus ? undefined : { cores: cpus, source };
  return {
    ...machine,
    cpu: {
      physicalCores: cores,
      logicalCpus: cores,
      machineCpus: cores,
      source,
      ...(quota && { quota }),
    },
  };
}

/**
 * The machine that the flags describe. `--cpus` and a `--memory` in bytes together are another machine, whose memory is
 * free and without a limit around it; each alone is a share of this one.
 */
export function describedMachine(
  { cpus, memory: text }: { cpus?: number; memory?: string },
  found: MachineFacts,
): MachineFacts {
  const machine = cpuWish(cpus, found);
  const bytes = text === undefined ? undefined : parseSize(text);
  if (cpus === undefined || text === undefined || !bytes) return machine;
  const source = `--memory ${text.trim()}`;
  return { ...machine, memory: { totalBytes: bytes, availableBytes: bytes, swapBytes: 0, source } };
}
