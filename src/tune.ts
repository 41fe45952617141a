import { homedir } from 'node:os';
import { join } from 'node:path';
import { EXIT, TuneError } from './errors.ts';
import { controlSocket, defaultDataDir } from './io/folders.ts';
import { stableRuntime } from './io/runtime-folder.ts';
import { readMachine } from './machine/index.ts';
import { listenersOn } from './machine/listeners.ts';
import { memoryOf, type Process, processesWith } from './machine/processes.ts';
import { findOpenWebui } from './openwebui/find.ts';
import { makePlan } from './plan/index.ts';
import type { PlanInput, Wish } from './plan/input.ts';
import { loadPreset } from './presets.ts';
import type { PreloadChoice } from './runtime/contract.ts';
import { askServices, loadClients } from './services/index.ts';
import { collectSettings, workerWish } from './settings/collect.ts';
import { chooseDataDir } from './settings/data-dir.ts';
import { requireDrivers } from './settings/drivers.ts';
import { findEnvFile, valuesOf } from './settings/env-file.ts';
import { chooseSecretsToKeep, type Keeping } from './settings/keep.ts';
import { isOpenToOthers, SECRETS_NAME } from './settings/secrets-file.ts';
import { shellEnvironment } from './settings/shell-environment.ts';
import type { Environment, MachineFacts, Plan } from './types.ts';
import { parsePercent, parseSize } from './units.ts';

/** Open WebUI's own defaults (`open-webui serve`). */
const DEFAULT_HOST = '0.0.0.0';
const DEFAULT_PORT = 8080;

/** What the flags say; undefined: nothing. */
export interface TuneOptions {
  workers?: number | 'auto';
  /** A size or a percentage, such as `2GiB` or `50%`. */
  memory?: string;
  host?: string;
  port?: number;
  python?: string;
  envFile?: string;
  preset?: string;
  preload?: PreloadChoice;
  /** Where the ecosystem file will be; its folder is where the env file is looked for. */
  out?: string;
  /** For tests; by default those of this process. */
  cwd?: string;
  env?: Environment;
}

export interface Tuned {
  plan: Plan;
  /** What must be written before anything is started; it is no part of the plan, so that nobody prints it. */
  secrets: Keeping;
  notes: string[];
}

/** Reads everything around us and plans with it. Writes nothing but a copy of the runtime files. Throws TuneError. */
export async function tune(options: TuneOptions): Promise<Tuned> {
  const { cwd = process.cwd() } = options;
  const preset = loadPreset(options.preset ?? 'default', cwd);
  const envFilePath = findEnvFile(options.envFile, options.out, cwd);
  const given = options.env ?? process.env;
  const env = options.envFile && envFilePath ? shellEnvironment(given, envFilePath) : given;
  const home = env.HOME || homedir();
  const defaultDir = defaultDataDir(env, home);

  const [machine, openWebui] = await Promise.all([
    readMachine(),
    findOpenWebui(
      options.python,
      { envFile: envFilePath, dataDirs: [defaultDir], secretsName: SECRETS_NAME },
      { env, cwd, home },
    ),
    // While Python answers.
    loadClients(),
  ]);
  const { probe, python } = openWebui;
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
  requireDrivers(settings, probe.package.drivers, python);
  const services = await askServices(settings);

  const socket = controlSocket(dataDir.path, env, home);
  const running = processesWith('/', socket);
  const port = options.port ?? DEFAULT_PORT;
  const runtime = stableRuntime(env);
  const secrets = chooseSecretsToKeep(settings, envFile, [cwd, dataDir.path], secretsFile);
  const workers = workersWish(options.workers, workerWish(env, envFile));
  const memory = memoryWish(options.memory, machine);
  const input: PlanInput = {
    machine: { ...machine, memory: { ...machine.memory, ownBytes: memoryOf('/', running) } },
    preset,
    services,
    settings,
    openWebui: { version: probe.package.version, python: probe.python, drivers: probe.package.drivers },
    places: {
      python,
      runtime: runtime.path,
      dataDir: dataDir.path,
      controlSocket: socket,
      secretsFile,
      ...(envFilePath !== undefined && { envFile: envFilePath }),
    },
    dataDir: dataDir.decision,
    hasLocalVectors: (data?.chroma_rows ?? 0) > 0,
    ...(workers && { workers }),
    ...(memory && { memory }),
    host: wish(options.host, '--host', DEFAULT_HOST),
    port: wish(options.port, '--port', DEFAULT_PORT),
    ...(options.preload && { preload: options.preload }),
    warnings: [
      ...openWebui.warnings,
      ...dataDir.warnings,
      ...secrets.warnings,
      ...openEnvFile(envFilePath),
      ...portInUse(port, running),
      ...unreachableChroma(services.chroma),
    ],
  };
  return {
    plan: makePlan(input),
    secrets,
    notes: [
      `Open WebUI: ${python} (${openWebui.where})`,
      ...(envFilePath === undefined ? [] : [`settings: ${envFilePath}, read at every start`]),
      ...secrets.notes,
      ...(runtime.copied
        ? [`the runtime was copied to ${runtime.path}, because this package’s folder does not stay`]
        : []),
    ],
  };
}

function wish<T>(value: T | undefined, flag: string, fallback: T): Wish<T> {
  return value === undefined ? { value: fallback, from: 'Open WebUI’s default' } : { value, from: flag };
}

/** `--workers` wins over the variables that uvicorn would read; `auto` takes both away. */
function workersWish(
  flag: number | 'auto' | undefined,
  variable: { name: string; value: string } | undefined,
): Wish<number> | undefined {
  if (flag === 'auto') return undefined;
  if (flag !== undefined) return { value: flag, from: `--workers ${flag}` };
  if (!variable) return undefined;
  const value = Number(variable.value);
  if (Number.isInteger(value) && value >= 1) return { value, from: `${variable.name}=${value}` };
  throw new TuneError(
    `${variable.name} is ${JSON.stringify(variable.value)}, not a number of workers`,
    EXIT.settings,
  );
}

/** A percentage is one of what we could have at most: of the limit around us, or of the machine. */
function memoryWish(text: string | undefined, { memory }: MachineFacts): Wish<number> | undefined {
  if (text === undefined) return undefined;
  const from = `--memory ${text.trim()}`;
  const share = parsePercent(text);
  const ceiling = Math.min(memory.totalBytes, memory.limit?.bytes ?? Number.POSITIVE_INFINITY);
  if (share !== undefined) return { value: Math.floor(ceiling * share), from };
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes > 0) return { value: bytes, from };
  throw new TuneError(
    `--memory ${JSON.stringify(text)} is neither a size such as 2GiB nor a percentage such as 50%`,
    EXIT.usage,
  );
}

function openEnvFile(path: string | undefined): string[] {
  if (path === undefined || !isOpenToOthers(path)) return [];
  return [`others can read ${path}, which may hold secrets: chmod 600 ${path}`];
}

/** The cluster itself may be what listens: it is being planned anew. */
function portInUse(port: number, ours: readonly Process[]): string[] {
  const owners = listenersOn('/', port);
  if (owners === undefined) return [];
  const own = new Set(ours.map(({ pid }) => pid));
  if (owners.some(({ pid }) => own.has(pid))) return [];
  const [owner] = owners;
  const who = owner ? `process ${owner.pid} (${owner.command[0] ?? '?'})` : 'a process of another user';
  return [`port ${port} is in use by ${who}: stop it, or choose another --port, before pm2 start`];
}

function unreachableChroma(chroma: PlanInput['services']['chroma']): string[] {
  if (!chroma || chroma.answer.up) return [];
  return [
    `the Chroma server at ${chroma.where} does not answer: ${chroma.answer.reason}. Start it before pm2 start`,
  ];
}
