import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { EXIT, systemCode, TuneError } from './errors.ts';
import { orNameFitting } from './fitting.ts';
import { readMachine } from './machine/index.ts';
import { makePlan } from './plan/index.ts';
import type { PlanInput } from './plan/input.ts';
import { loadPreset } from './presets.ts';
import { collectSettings, workerWish } from './settings/collect.ts';
import type { Tuned, TuneOptions } from './tune.ts';
import type { MachineFacts, Places, ServiceFacts } from './types.ts';
import { cpuWish, wishesOf } from './wishes.ts';

/** Paths of an ordinary installation: on the other machine nobody can be asked. */
export const EXAMPLE_PLACES: Places = {
  python: '/opt/open-webui/bin/python',
  runtime: '/usr/lib/node_modules/webui-tune/dist/runtime',
  dataDir: '/var/lib/open-webui',
  controlSocket: '/run/open-webui/control.sock',
  secretsFile: '/var/lib/open-webui/.webui-tune.env',
  staticCache: '/var/cache/webui-tune/static',
};

/** Neither there nor missing: the plan does not count on what nobody has asked. */
export const UNASKED: ServiceFacts = { database: { kind: 'unknown' }, redis: { kind: 'unknown' } };

/**
 * Plans for the machine whose /proc and /sys are below `options.root`. Nothing is asked of this one: no service, no
 * interpreter, no environment; an env file counts only where it is named. Nothing is written. Throws TuneError.
 */
export async function planElsewhere(options: TuneOptions, root: string): Promise<Tuned> {
  const { cwd = process.cwd() } = options;
  const envFile = options.envFile === undefined ? {} : readEnvFile(resolve(cwd, options.envFile));
  const machine = cpuWish(options.cpus, await readMachine(resolve(cwd, root)));
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
    ...wishesOf(options, machine, workerWish({}, envFile)),
    warnings: [
      `planned for the machine in ${root}: its paths are examples, and nobody has asked for its PostgreSQL, Redis and ` +
        'vector store, without which it can have one worker only',
    ],
  };
  return {
    plan: makePlan(input),
    secrets: { settings: new Map(), once: new Map(), notes: [], warnings: [] },
    settings,
    notes: [],
  };
}

/** Node's parser is close to python-dotenv's, and close is enough where nothing is started. */
export function readEnvFile(path: string): Record<string, string> {
  try {
    return { ...parseEnv(readFileSync(path, 'utf8')) } as Record<string, string>;
  } catch (error) {
    throw new TuneError(`--env-file ${path} cannot be read: ${systemCode(error)}`, EXIT.settings);
  }
}
