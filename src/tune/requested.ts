import { EXIT, TuneError } from '../base/errors.ts';
import type { MachineFacts } from '../base/machine/facts.ts';
import { parseMemory } from '../base/units.ts';
import type { WorkerVariable } from '../facts/settings/collect.ts';
import type { PlanInput, Requested, RequestedWorkers } from '../plan/input.ts';
import { optionsWith, type PresetOptions, parseRange } from '../plan/options.ts';
import { DEFAULT_HOST, DEFAULT_PORT, METRICS_PORT } from '../runtime/contract.ts';
import type { TuneOptions } from './options.ts';

/** The part of a plan's input that depends only on flags and variables. */
type RequestedInput = Partial<PresetOptions> &
  Pick<PlanInput, 'workers' | 'memory' | 'host' | 'port' | 'runtime' | 'metricsPort'>;

/**
 * The machine that the flags describe, and what they and the variable request. `--cpus` together with a `--memory` in bytes
 * describes another machine, whose memory is all free and without a limit; each alone is a part of this machine. Throws
 * TuneError for an invalid value.
 */
export function readRequest(
  options: TuneOptions,
  found: MachineFacts,
  variable: WorkerVariable | undefined,
): { machine: MachineFacts; requested: RequestedInput } {
  const workers = requestedWorkers(options.workers, variable);
  const memory = options.memory === undefined ? undefined : readMemory(options.memory);
  const machine = describedMachine(options.cpus, memory, found);
  return {
    machine,
    requested: {
      ...(workers && { workers }),
      ...(memory && { memory: requestedMemory(memory, machine) }),
      host: requestedOr(options.host, '--host', DEFAULT_HOST),
      port: requestedOr(options.port, '--port', DEFAULT_PORT),
      ...presetOptions(options),
      ...(options.runtime && { runtime: options.runtime }),
      ...requestedMetrics(options, machine),
    },
  };
}

/** The value of a flag, or the default. */
function requestedOr<T>(value: T | undefined, flag: string, fallback: T): Requested<T> {
  return value === undefined
    ? { value: fallback, from: 'by default', source: 'computed' }
    : { value, from: flag, source: 'flag' };
}

/** A switch that is on only undoes a `--no-…` that `up` remembers: the preset then decides. */
function presetOptions(options: TuneOptions): Partial<PresetOptions> {
  const given = optionsWith('inPresets').map((name) => [name, options[name]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined && value !== true));
}

/** Throws TuneError for the workers' own port, and on a system without /proc. */
function requestedMetrics(
  { metrics, port = DEFAULT_PORT }: TuneOptions,
  { platform }: MachineFacts,
): Pick<PlanInput, 'metricsPort'> {
  if (metrics === undefined || metrics === 'off') return {};
  if (platform !== 'linux') {
    throw new TuneError('--metrics reads /proc, which only Linux has', EXIT.usage, ['leave it out']);
  }
  if (metrics !== port) return { metricsPort: metrics };
  throw new TuneError(`--metrics ${metrics}: the workers listen on that port`, EXIT.usage, [
    `choose another, such as --metrics ${METRICS_PORT}`,
  ]);
}

/** `--workers` wins over the variables that uvicorn would read; `auto` overrides both. */
export function requestedWorkers(
  flag: TuneOptions['workers'],
  variable: WorkerVariable | undefined,
): RequestedWorkers | undefined {
  if (flag === 'auto') return undefined;
  if (typeof flag === 'number') return { value: flag, from: `--workers ${flag}`, source: 'flag' };
  if (flag !== undefined) return requestedRange(flag);
  if (!variable) return undefined;
  const value = Number(variable.value);
  const { name, source } = variable;
  if (Number.isInteger(value) && value >= 1) return { value, from: `${name}=${value}`, source };
  throw new TuneError(
    `${variable.name} is ${JSON.stringify(variable.value)}, not a number of workers`,
    EXIT.settings,
  );
}

function requestedRange(text: string): RequestedWorkers {
  const range = parseRange(text);
  if (range) return { value: range.most, least: range.least, from: `--workers ${text}`, source: 'flag' };
  throw new TuneError(`--workers ${JSON.stringify(text)} is not a range such as 1..4`, EXIT.usage);
}

/** The value of `--memory`, and its words. */
type Memory = ({ bytes: number } | { share: number }) & { from: string };

function readMemory(text: string): Memory {
  const memory = parseMemory(text);
  if (memory) return { ...memory, from: `--memory ${text.trim()}` };
  throw new TuneError(
    `--memory ${JSON.stringify(text)} is neither a size such as 2GiB nor a percentage such as 50%`,
    EXIT.usage,
  );
}

/** A percentage refers to the most that we could have: the limit of our cgroup, or the machine. */
function requestedMemory(requested: Memory, { memory }: MachineFacts): Requested<number> {
  const ceiling = Math.min(memory.totalBytes, memory.limit?.bytes ?? Number.POSITIVE_INFINITY);
  const value = 'bytes' in requested ? requested.bytes : Math.floor(ceiling * requested.share);
  return { value, from: requested.from, source: 'flag' };
}

/** The machine with the number of cores of `--cpus`; 1.5 is two cores with a quota of 1.5. */
export function withCpus(cpus: number | undefined, machine: MachineFacts): MachineFacts {
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

function describedMachine(
  cpus: number | undefined,
  memory: Memory | undefined,
  found: MachineFacts,
): MachineFacts {
  const machine = withCpus(cpus, found);
  if (cpus === undefined || !memory || !('bytes' in memory)) return machine;
  const { bytes, from: source } = memory;
  return { ...machine, memory: { totalBytes: bytes, availableBytes: bytes, swapBytes: 0, source } };
}
