import { EXIT, TuneError } from '../base/errors.ts';
import type { MachineFacts } from '../base/machine/facts.ts';
import { readMachine } from '../base/machine/index.ts';
import { askServices } from '../facts/services/index.ts';
import { collectSettings, workerVariable } from '../facts/settings/collect.ts';
import { findEnvFile, readEnvFile } from '../facts/settings/env-file.ts';
import type { ServiceFacts } from '../facts/types.ts';
import { makePlan } from '../plan/index.ts';
import type { PlanInput } from '../plan/input.ts';
import type { Preset } from '../plan/preset.ts';
import type { Plan } from '../plan/types.ts';
import { OPEN_WEBUI_IMAGE } from '../render/image.ts';
import { EXAMPLE_PLACES, UNASKED } from './examples.ts';
import type { TuneOptions } from './options.ts';
import { loadPreset } from './presets.ts';
import { readRequest } from './requested.ts';

/** Settings that may come from the environment too; all others come from the env file only. */
const FROM_ENVIRONMENT = [
  ...['TYPE', 'USER', 'PASSWORD', 'HOST', 'PORT', 'NAME', 'URL'].map((part) => `DATABASE_${part}`),
  'PGVECTOR_DB_URL',
  'RAG_EMBEDDING_ENGINE',
  'REDIS_URL',
  'VECTOR_DB',
];

/** What the format decides instead of this machine. */
interface Deployment {
  /** The services that the containers will have; undefined: ask the database and the Redis of the settings. */
  services?: (machine: MachineFacts) => ServiceFacts;
  /** Folder of the runtime, which the container mounts. */
  runtime?: string;
}

/** Plans containers. Writes nothing. Throws TuneError. */
export async function planDeployment(options: TuneOptions, deployment: Deployment = {}): Promise<Plan> {
  return makePlan(await deploymentInput(options, deployment));
}

/**
 * What containers are planned with. They bring their own Open WebUI, so none is looked for here. Writes nothing. Throws
 * TuneError.
 */
export async function deploymentInput(
  options: TuneOptions,
  { services, runtime }: Deployment = {},
): Promise<PlanInput> {
  const { cwd = process.cwd(), env = process.env } = options;
  const preset = loadPreset(options.preset ?? 'default', cwd);
  const found = await readMachine(options.root);
  const path = findEnvFile(options.envFile, options.out, cwd);
  const envFile = path === undefined ? {} : readEnvFile(path);
  const { machine, requested } = readRequest(options, found, workerVariable({}, envFile));
  const settings = collectSettings({
    known: FROM_ENVIRONMENT,
    environment: env,
    envFile,
    secretsFile: {},
    preset: preset.settings,
  });
  requireFixedNumber(requested.workers, preset);
  return {
    machine,
    preset,
    services: services?.(machine) ?? (options.root === undefined ? await askServices(settings) : UNASKED),
    settings,
    openWebui: { version: OPEN_WEBUI_IMAGE.tag, python: '3.11', drivers: { psycopg2: true, pgvector: true } },
    places: { ...EXAMPLE_PLACES, ...(runtime !== undefined && { runtime }) },
    dataDir: { reason: 'of the image', source: 'computed' },
    hasLocalVectors: false,
    ...requested,
  };
}

/** Throws TuneError for a number of workers that follows the load: in containers nothing starts and stops them. */
function requireFixedNumber(requested: PlanInput['workers'], { name, workers }: Preset): void {
  const isRange = requested
    ? (requested.least ?? requested.value) < requested.value
    : workers.min !== undefined;
  if (!isRange) return;
  throw new TuneError(
    `workers come and go only under PM2 and systemd on this machine (${requested?.from ?? `the preset ${name}`})`,
    EXIT.usage,
    [`for containers: --workers ${requested?.value ?? 'N'}, or another preset`],
  );
}
