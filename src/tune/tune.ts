import { readFileSync } from 'node:fs';
import { TuneError } from '../base/errors.ts';
import { controlSocket, staticCache } from '../base/io/folders.ts';
import type { MachineFacts } from '../base/machine/facts.ts';
import { readMachine } from '../base/machine/index.ts';
import { memoryOf, processesWith } from '../base/machine/processes.ts';
import { embeddedServices, logRotation } from '../facts/embedded/apps.ts';
import { withConnections } from '../facts/embedded/memory.ts';
import type { FoundOpenWebui } from '../facts/openwebui/find.ts';
import { askServices, loadClients } from '../facts/services/index.ts';
import { workerVariable } from '../facts/settings/collect.ts';
import { requireDrivers } from '../facts/settings/drivers.ts';
import type { ServiceFacts } from '../facts/types.ts';
import { makePlan } from '../plan/index.ts';
import type { PlanInput } from '../plan/input.ts';
import { keepRuntime, stableRuntime } from '../runtime/folder.ts';
import {
  findInterpreter,
  type Installation,
  readInstallation,
  type Viewpoint,
  viewpointOf,
} from './installation.ts';
import { settingsDigest } from './measurements/conditions.ts';
import { keepObserved, measurementsFolder, readMeasurements } from './measurements/kept.ts';
import { readObserved, withKept } from './measurements/observed.ts';
import type { TuneOptions } from './options.ts';
import { planElsewhere } from './other-machine.ts';
import { orNameFitting } from './preset-that-fits.ts';
import { readRequest } from './requested.ts';
import { chooseSecretsToKeep } from './secrets/keep.ts';
import { keepSecrets, makePrivate } from './secrets/secrets-file.ts';
import type { Tuned } from './tuned.ts';
import { openEnvFile, portInUse, sentinelNotices, tooLittleHere, unreachableChroma } from './warnings.ts';

/** Reads the machine, the settings and the services, and plans. Writes nothing (prepare does). Throws TuneError. */
export async function tune(options: TuneOptions): Promise<Tuned> {
  if (options.root !== undefined) return planElsewhere(options, options.root);
  const from = viewpointOf(options);
  const [found, openWebui] = await Promise.all([
    readMachine(),
    findInterpreter(options.python, from),
    // Loaded while Python answers.
    loadClients(settingNames(from)),
  ]);
  const installation = readInstallation(from, openWebui);
  requireDrivers(installation.settings, openWebui.probe.package.drivers, openWebui.python);
  const services = await askServices(installation.settings);
  return orNameFitting(
    () => planInstallation(options, { from, found, openWebui, installation, services }),
    (preset) => {
      const other = viewpointOf({ ...options, preset });
      const settled = readInstallation(other, openWebui);
      return planInstallation(options, {
        from: other,
        found,
        openWebui,
        installation: settled,
        services,
      });
    },
  );
}

/** Text that holds all names of settings in the environment and the env file, before Python has read the file. */
function settingNames({ env, envFilePath }: Viewpoint): string {
  const names = Object.keys(env).join(' ');
  if (envFilePath === undefined) return names;
  try {
    return `${names} ${readFileSync(envFilePath, 'utf8')}`;
  } catch {
    return names; // Python reports what is wrong with the file
  }
}

/** Everything that was read from an installation. */
export interface FoundInstallation {
  from: Viewpoint;
  /** The machine itself, without what the flags change. */
  found: MachineFacts;
  openWebui: FoundOpenWebui;
  installation: Installation;
  services: ServiceFacts;
}

/** Plans from what was found. Writes nothing. Throws TuneError. */
export function planInstallation(
  options: TuneOptions,
  { from, found, openWebui, installation, services }: FoundInstallation,
): Tuned {
  const { env, cwd, home, preset, envFilePath } = from;
  const { probe, python } = openWebui;
  const { envFile, dataDir, secretsFile, settings } = installation;
  const { machine, requested } = readRequest(options, found, workerVariable(env, envFile));

  const socket = controlSocket(dataDir.path, env, home);
  const running = processesWith('/', socket);
  const runtime = stableRuntime(env);
  const secrets = chooseSecretsToKeep(settings, envFile, [cwd, dataDir.path], secretsFile);
  const embedded = [
    ...embeddedServices(settings, env, home),
    ...(options.rotateLogs ? [logRotation(runtime.path)] : []),
  ];
  const asked = withSqliteConfig(services, installation.sqliteConfig);
  const folder = measurementsFolder(env, home);
  const { kept, problems } = readMeasurements(folder);
  const seen = readObserved(socket);
  const observed = seen.observed && withKept(seen.observed, kept);
  const input: PlanInput = {
    machine: { ...machine, memory: { ...machine.memory, ownBytes: memoryOf('/', running) } },
    preset,
    services: withConnections(asked, embedded, machine.cpu.physicalCores),
    settings,
    openWebui: {
      version: probe.package.version,
      python: probe.python,
      drivers: probe.package.drivers,
      torch: probe.package.torch,
    },
    places: {
      python,
      runtime: runtime.path,
      dataDir: dataDir.path,
      controlSocket: socket,
      secretsFile,
      staticCache: staticCache(env, home),
      ...(envFilePath !== undefined && { envFile: envFilePath }),
    },
    dataDir: dataDir.decision,
    embedded,
    hasLocalVectors: installation.hasLocalVectors,
    measured: { kept: observed ? [...kept, observed] : kept, settings: settingsDigest(settings, asked) },
    ...requested,
    warnings: [
      ...openWebui.warnings,
      ...dataDir.warnings,
      ...secrets.warnings,
      ...openEnvFile(envFilePath),
      ...portInUse(requested.port.value, running),
      ...unreachableChroma(services.chroma),
      ...sentinelNotices(services.redis, settings),
      ...tooLittleHere(machine, found),
      ...problems,
      ...seen.problems,
    ],
  };
  return {
    plan: makePlan(input),
    secrets,
    runtime,
    settings,
    ...(observed && { observed: { folder, figures: observed } }),
    notes: [
      `Open WebUI: ${python} (${openWebui.where})`,
      ...(envFilePath === undefined ? [] : [`settings: ${envFilePath}, read at every start`]),
      ...secrets.notes,
    ],
  };
}

/**
 * Writes what a plan needs before it starts: the secrets, which nobody else can read, and the runtime in a permanent folder.
 * Returns notes for the user. Throws TuneError.
 */
export async function prepare(tuned: Tuned): Promise<string[]> {
  const { plan, secrets, runtime } = tuned;
  const { secretsFile } = plan.places;
  await keepSecrets(secretsFile, secrets);
  return [
    ...keepWhatWasObserved(tuned),
    ...(makePrivate(secretsFile) ? [`other users could read ${secretsFile}: removed their access`] : []),
    ...(runtime && keepRuntime(runtime)
      ? [`copied the runtime to ${runtime.path}, because this package’s folder is temporary`]
      : []),
  ];
}

/** Saves the figures, because the next preload process overwrites its own. Returns problems: the plan works without. */
export function keepWhatWasObserved({ observed }: Pick<Tuned, 'observed'>): string[] {
  if (!observed) return [];
  try {
    keepObserved(observed.folder, observed.figures);
    return [];
  } catch (error) {
    if (error instanceof TuneError) return [error.message];
    throw error;
  }
}

/** The interpreter has read SQLite's file already: Node has no driver for it before version 22. */
function withSqliteConfig(services: ServiceFacts, stored: Installation['sqliteConfig']): ServiceFacts {
  if (services.database.kind !== 'sqlite' || !stored) return services;
  return { ...services, database: { kind: 'sqlite', stored } };
}
