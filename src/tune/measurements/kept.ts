/** Saved measurements of this machine. */

import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as z from 'zod';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { dataHome, shortHash } from '../../base/io/folders.ts';
import { namesIn } from '../../base/io/read.ts';
import { makePrivateFolder, writeAtomically } from '../../base/io/write.ts';
import type { Conditions, Measurement } from '../../plan/measurement.ts';
import { bytes } from './bytes.ts';
import { type Observed, ObservedSchema } from './observed.ts';

const positive = z.number().positive();

/** What `webui-tune measure --json` prints and saves. Keys are added over time; none is removed. */
export const MeasurementSchema = z.object({
  conditions: z.object({
    openWebui: z.string().min(1),
    python: z.string().min(1),
    architecture: z.string().min(1),
    preset: z.string().min(1),
    level: z.enum(['full', 'lean', 'libraries', 'none', 'uvicorn']),
    embedsLocally: z.boolean(),
    settings: z.string().describe('digest of the settings that were measured with'),
    torch: z
      .string()
      .min(1)
      .optional()
      .describe('version of torch with its build; missing: measured by an earlier version'),
  }),
  at: z.iso.datetime().describe('when it was made, UTC'),
  seconds: positive.describe('how long it took'),
  workers: z.int().positive().describe('how many were measured'),
  base: bytes.describe('bytes of the preload process, with all that is shared'),
  worker: bytes.describe('bytes of private memory of a worker after its first requests: the largest of them'),
  workerIdle: bytes.describe('the same, before its first request'),
  supervisor: bytes.describe('bytes of private memory of a supervisor'),
  tree: bytes.describe('bytes of all of it together (Pss), after the first requests'),
  firstBootSeconds: positive.describe('from the start until all workers served, on an empty database'),
  bootSeconds: positive.describe('the same, on a database that is there'),
  forkMs: positive.describe('milliseconds from a worker’s fork until it served: the slowest'),
  cpuMs: positive.describe(
    'milliseconds of a worker’s CPU for a call of the API (GET /api/v1/chats/?page=1)',
  ),
  connections: z
    .number()
    .nonnegative()
    .nullable()
    .describe('connections to PostgreSQL a worker, under the load of 12 clients; null: another database'),
  notes: z.array(z.string()).describe('what differed from the installation itself'),
});

export type KeptMeasurement = z.infer<typeof MeasurementSchema>;

export function measurementsFolder(env: Environment, home: string): string {
  return join(dataHome(env, home), 'measurements');
}

/** One file for each set of conditions: a new measurement replaces the previous one. */
function fileFor(folder: string, conditions: Conditions): string {
  const { openWebui, python } = conditions;
  const name = `${openWebui}-python${python}`.replace(/[^\w.+-]/g, '_');
  return join(folder, `${name}-${shortHash(JSON.stringify(Object.entries(conditions).sort()))}.json`);
}

/** Returns the file. Throws TuneError if it cannot be written. */
export function keepMeasurement(folder: string, measurement: KeptMeasurement): string {
  return keep(folder, fileFor(folder, measurement.conditions), MeasurementSchema.parse(measurement));
}

/** The same for the figures of a running tree, in a separate file. Throws TuneError. */
export function keepObserved(folder: string, observed: Observed): string {
  const path = fileFor(folder, observed.conditions);
  return keep(folder, join(folder, `observed-${basename(path)}`), ObservedSchema.parse(observed));
}

function keep(folder: string, path: string, content: KeptMeasurement | Observed): string {
  const text = `${JSON.stringify(content, undefined, 2)}\n`;
  try {
    makePrivateFolder(folder);
    if (readIfThere(path) !== text) writeAtomically(path, text, 0o644);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    throw new TuneError(`the measurement cannot be saved in ${path}: ${code}`, EXIT.output);
  }
  return path;
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

/** All saved measurements. A file that is not one is named in `problems` and left as it is. */
export function readMeasurements(folder: string): { kept: Measurement[]; problems: string[] } {
  const kept: Measurement[] = [];
  const problems: string[] = [];
  for (const name of measurementsIn(folder)) {
    const path = join(folder, name);
    try {
      const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
      kept.push(z.union([ObservedSchema, MeasurementSchema]).parse(content));
    } catch (error) {
      const why = systemCode(error) ?? 'webui-tune measure did not write it';
      problems.push(`${path} is not used: ${why}; webui-tune measure makes a new one`);
    }
  }
  return { kept, problems };
}

function measurementsIn(folder: string): string[] {
  return namesIn(folder).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
}
