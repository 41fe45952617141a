/** The figures that a running tree writes about itself (runtime/contract.ts, OBSERVED), as a measurement for the next plan. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { systemCode } from '../../base/errors.ts';
import { namesIn } from '../../base/io/read.ts';
import { holdsFor, type Measurement } from '../../plan/measurement.ts';
import type { PreloadLevel } from '../../plan/types.ts';
import { OBSERVED } from '../../runtime/contract.ts';
import { bytes } from './bytes.ts';

/** What the tuner writes into the ecosystem file (ENV.planned): its figures, and conditions that the runtime does not know. */
export const PlannedSchema = z.object({
  preset: z.string().min(1),
  settings: z.string(),
  embedsLocally: z.boolean(),
  architecture: z.string().min(1),
  base: z.number().describe('bytes of the preload process'),
  worker: z.number().describe('bytes of each additional worker, with its supervisor'),
  supervisor: z.number().describe('bytes of those that are the supervisor’s'),
});

export type Planned = z.infer<typeof PlannedSchema>;

/** The preload process has other names for the levels (preload/webui_preload/sharing/levels.py). */
const LEVELS = { app: 'full', lean: 'lean', libraries: 'libraries', none: 'none' } as const satisfies Record<
  string,
  PreloadLevel
>;

const Preload = z.object({
  at: z.iso.datetime(),
  generation: z.string().min(1),
  openWebui: z.string().min(1),
  python: z.string().min(1),
  torch: z.string().min(1),
  level: z.enum(Object.keys(LEVELS) as (keyof typeof LEVELS)[]),
  planned: PlannedSchema,
});

const Instance = z.object({
  generation: z.string().min(1),
  at: z.iso.datetime(),
  base: bytes,
  idle: bytes,
  worker: bytes.optional(),
  supervisor: bytes,
});

/** What is saved of it in the folder of measurements. */
export const ObservedSchema = z.object({
  observed: z.literal(true),
  conditions: z.object({
    openWebui: z.string().min(1),
    python: z.string().min(1),
    torch: z.string().min(1),
    architecture: z.string().min(1),
    preset: z.string().min(1),
    level: z.enum(['full', 'lean', 'libraries', 'none']),
    embedsLocally: z.boolean(),
    settings: z.string(),
  }),
  at: z.iso.datetime().describe('when the preload process started, UTC'),
  base: bytes,
  worker: bytes.optional().describe('mean of the instances’ maxima; missing: no instance had served'),
  idle: bytes,
  supervisor: bytes,
});

export type Observed = z.infer<typeof ObservedSchema>;

export interface Observation {
  /** Undefined: nothing has run here yet, or no worker serves. */
  observed?: Observed;
  /** One line for each unusable file. */
  problems: string[];
}

/** The figures of this control socket's tree since its preload process started, whether it still runs or not. */
export function readObserved(controlSocket: string): Observation {
  const folder = dirname(controlSocket);
  const problems: string[] = [];
  const read = <T>(name: string, schema: z.ZodType<T>): T | undefined => {
    const path = join(folder, name);
    try {
      return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
    } catch (error) {
      const code = systemCode(error);
      if (code !== 'ENOENT') {
        const why = code ?? 'the runtime did not write it';
        problems.push(`${path} is not used: ${why}; the next start of Open WebUI makes a new one`);
      }
      return undefined;
    }
  };
  const preload = read(OBSERVED.preload, Preload);
  if (!preload) return { problems };
  const instances = instanceFiles(folder)
    .flatMap((name) => read(name, Instance) ?? [])
    .filter(({ generation }) => generation === preload.generation)
    .sort((a, b) => (a.at < b.at ? 1 : -1));
  const [newest] = instances;
  if (!newest) return { problems };
  const served = instances.flatMap(({ worker }) => worker ?? []);
  const { openWebui, python, torch, level, planned } = preload;
  const { preset, settings, embedsLocally, architecture } = planned;
  return {
    observed: {
      observed: true,
      conditions: {
        openWebui,
        python,
        torch,
        architecture,
        preset,
        level: LEVELS[level],
        embedsLocally,
        settings,
      },
      at: preload.at,
      base: newest.base,
      ...(served.length > 0 && { worker: Math.round(sum(served) / served.length) }),
      idle: Math.max(...instances.map(({ idle }) => idle)),
      supervisor: Math.max(...instances.map(({ supervisor }) => supervisor)),
    },
    problems,
  };
}

/** Fills in the memory of a worker that has served, from the newest saved measurement under the same conditions. */
export function withKept(observed: Observed, kept: readonly Measurement[]): Observed {
  if (observed.worker !== undefined) return observed;
  const [known] = kept
    .filter(({ worker, conditions }) => worker !== undefined && holdsFor(conditions, observed.conditions))
    .sort((a, b) => (a.at < b.at ? 1 : -1));
  if (known?.worker === undefined) return observed;
  return { ...observed, worker: Math.max(known.worker, observed.idle) };
}

function instanceFiles(folder: string): string[] {
  const [before = '', after = ''] = OBSERVED.instance('\0').split('\0');
  return namesIn(folder).filter(
    (name) => name.startsWith(before) && name.endsWith(after) && name !== OBSERVED.preload,
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
