import { resolve } from 'node:path';
import type { MachineFacts } from '../base/machine/facts.ts';
import { readMachine } from '../base/machine/index.ts';
import { collectSettings, workerVariable } from '../facts/settings/collect.ts';
import { readEnvFile } from '../facts/settings/env-file.ts';
import { makePlan } from '../plan/index.ts';
import type { PlanInput } from '../plan/input.ts';
import { EXAMPLE_PLACES, UNASKED } from './examples.ts';
import type { TuneOptions } from './options.ts';
import { orNameFitting } from './preset-that-fits.ts';
import { loadPreset } from './presets.ts';
import { readRequest, withCpus } from './requested.ts';
import type { Tuned } from './tuned.ts';

/**
 * Plans for the machine whose /proc and /sys are below `root`. Asks nothing of this machine: no service, no interpreter, no
 * environment. Reads an env file only if it is named. Writes nothing. Throws TuneError.
 */
export async function planElsewhere({ cpus, ...options }: TuneOptions, root: string): Promise<Tuned> {
  const { cwd = process.cwd() } = options;
  const envFile = options.envFile === undefined ? {} : readEnvFile(resolve(cwd, options.envFile));
  const machine = withCpus(cpus, await readMachine(resolve(cwd, root)));
  const planWith = (name: string) => planForMachine(options, { root, machine, envFile, name });
  return orNameFitting(() => planWith(options.preset ?? 'default'), planWith);
}

function planForMachine(
  options: TuneOptions,
  {
    root,
    machine,
    envFile,
    name,
  }: { root: string; machine: MachineFacts; envFile: Readonly<Record<string, string>>; name: string },
): Tuned {
  const preset = loadPreset(name, options.cwd ?? process.cwd());
  const settings = collectSettings({
    known: [],
    environment: {},
    envFile,
    secretsFile: {},
    preset: preset.settings,
  });
  const input: PlanInput = {
    machine,
    preset,
    services: UNASKED,
    settings,
    openWebui: { version: '?', python: '?', drivers: {} },
    places: { ...EXAMPLE_PLACES, ...(options.python !== undefined && { python: options.python }) },
    dataDir: { reason: 'an example', source: 'computed' },
    hasLocalVectors: false,
    ...readRequest(options, machine, workerVariable({}, envFile)).requested,
    warnings: [
      `planned for the machine in ${root}: its paths are examples, and its PostgreSQL, Redis and vector store were not ` +
        'asked; without these it can have only one worker',
    ],
  };
  return {
    plan: makePlan(input),
    secrets: { settings: new Map(), once: new Map(), notes: [], warnings: [] },
    settings,
    notes: [],
  };
}
