import type { Environment } from '../../base/io/environment.ts';
import type { Setting, Settings } from '../types.ts';
import { isSecret } from './secret.ts';

/** The plan decides how many workers there are. In a worker, these variables would start more of them. */
export const WORKER_COUNT_NAMES = ['WEB_CONCURRENCY', 'UVICORN_WORKERS'] as const;

/**
 * Variables that Open WebUI reads but that are not its settings: they belong to the system, to its container, or to the
 * runtime, which sets them itself. PM2 hands them over with the rest of the shell's environment.
 */
const NOT_SETTINGS = new Set<string>([
  ...WORKER_COUNT_NAMES,
  'FROM_INIT_PY',
  'INSTANCE_ID',
  'LD_LIBRARY_PATH',
  'STATIC_DIR',
  'TZ',
]);

/**
 * Variables of the libraries that load models for Open WebUI: they say where models are, and whether and from where
 * more can be had. PM2's environment would carry them to the workers, but not to the next plan.
 */
const MODEL_NAMES = [
  'HF_ENDPOINT',
  'HF_HOME',
  'HF_HUB_CACHE',
  'HF_HUB_OFFLINE',
  'HUGGINGFACE_HUB_CACHE',
  'SENTENCE_TRANSFORMERS_HOME',
];

export interface SettingSources {
  /** Names of the variables that the installed Open WebUI reads. */
  known: readonly string[];
  environment: Environment;
  envFile: Readonly<Record<string, string>>;
  secretsFile: Readonly<Record<string, string>>;
  preset: Readonly<Record<string, string>>;
}

/** The settings that are in force: environment > env file > secrets file > preset. In the order of their names. */
export function collectSettings(sources: SettingSources): Settings {
  const known = new Set([...sources.known, ...MODEL_NAMES]);
  const environment = Object.entries(sources.environment).filter(([name]) => known.has(name));
  const settings = new Map<string, Setting>();
  const add = (entries: [string, string | undefined][], source: Setting['source'], allSecret = false) => {
    for (const [name, value] of entries) {
      if (value === undefined || NOT_SETTINGS.has(name) || settings.has(name)) continue;
      settings.set(name, { value, source, secret: allSecret || isSecret(name, value) });
    }
  };
  add(environment, 'environment');
  add(Object.entries(sources.envFile), 'env file');
  add(Object.entries(sources.secretsFile), 'secrets file', true);
  add(Object.entries(sources.preset), 'preset');
  return new Map([...settings].sort(([a], [b]) => (a < b ? -1 : 1)));
}

export interface WorkerVariable {
  name: string;
  value: string;
  source: 'environment' | 'env file';
}

/** The worker count that the user has set for uvicorn, with the variable's name. */
export function workerVariable(
  environment: Environment,
  envFile: Readonly<Record<string, string>>,
): WorkerVariable | undefined {
  const sources = [
    { values: environment, source: 'environment' },
    { values: envFile, source: 'env file' },
  ] as const;
  for (const { values, source } of sources) {
    for (const name of WORKER_COUNT_NAMES) {
      const value = values[name];
      if (value) return { name, value, source };
    }
  }
  return undefined;
}
