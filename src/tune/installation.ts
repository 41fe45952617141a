import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../base/io/environment.ts';
import { defaultDataDir } from '../base/io/folders.ts';
import { type FoundOpenWebui, findOpenWebui } from '../facts/openwebui/find.ts';
import { databaseUrl } from '../facts/services/urls.ts';
import { collectSettings } from '../facts/settings/collect.ts';
import { chooseDataDir, type DataDir } from '../facts/settings/data-dir.ts';
import { findEnvFile, valuesOf } from '../facts/settings/env-file.ts';
import { shellEnvironment } from '../facts/settings/shell-environment.ts';
import type { Settings } from '../facts/types.ts';
import type { Preset } from '../plan/preset.ts';
import type { TuneOptions } from './options.ts';
import { loadPreset } from './presets.ts';
import { SECRETS_NAME } from './secrets/secrets-file.ts';

/** What determines how an installation is read, before anything is asked. */
export interface Viewpoint {
  env: Environment;
  cwd: string;
  home: string;
  preset: Preset;
  /** Absolute path of the env file; undefined: there is none. */
  envFilePath: string | undefined;
  /** Data folder of an installation that has none yet. */
  defaultDir: string;
}

/** Throws TuneError if a preset or an env file is named and does not exist. */
export function viewpointOf(options: TuneOptions): Viewpoint {
  const { cwd = process.cwd() } = options;
  const preset = loadPreset(options.preset ?? 'default', cwd);
  const envFilePath = findEnvFile(options.envFile, options.out, cwd);
  const given = options.env ?? process.env;
  const env = options.envFile && envFilePath ? shellEnvironment(given, envFilePath) : given;
  const home = env.HOME || homedir();
  return { env, cwd, home, preset, envFilePath, defaultDir: defaultDataDir(env, home) };
}

/** Throws TuneError if there is no Open WebUI that we can run. */
export function findInterpreter(python: string | undefined, from: Viewpoint): Promise<FoundOpenWebui> {
  const { envFilePath: envFile, defaultDir } = from;
  return findOpenWebui(python, { envFile, dataDirs: [defaultDir], secretsName: SECRETS_NAME }, from);
}

/** The user's settings, and where the data is. */
export interface Installation {
  /** Contents of the env file. */
  envFile: Readonly<Record<string, string>>;
  dataDir: DataDir;
  secretsFile: string;
  settings: Settings;
  /** Whether the data folder holds documents embedded into the local Chroma store. */
  hasLocalVectors: boolean;
  /** Rows of the SQLite database's `config` table that plan/persisted.ts compares; null: there is no table, or it is empty. */
  sqliteConfig: Readonly<Record<string, string>> | null;
}

/** Combines what the interpreter has read. Throws TuneError for a settings file that cannot be read. */
export function readInstallation(from: Viewpoint, { probe }: FoundOpenWebui): Installation {
  const { env, cwd, envFilePath, defaultDir, preset } = from;
  const envFile = envFilePath && probe.env_file ? valuesOf(envFilePath, probe.env_file) : {};
  const dataDir = chooseDataDir({ environment: env, envFile, envFilePath, cwd, defaultDir, probe });
  const data = probe.data[dataDir.path];
  const secretsFile = join(dataDir.path, SECRETS_NAME);
  const secretsValues = data?.secrets ? valuesOf(secretsFile, data.secrets) : {};
  const settings = collectSettings({
    known: probe.variables,
    environment: env,
    envFile,
    secretsFile: secretsValues,
    preset: preset.settings,
  });
  const ofUrl = databaseUrl(settings) !== undefined;
  return {
    envFile,
    dataDir,
    secretsFile,
    settings,
    hasLocalVectors: (data?.chroma_rows ?? 0) > 0,
    sqliteConfig: (ofUrl ? probe.stored : data?.stored) ?? null,
  };
}
