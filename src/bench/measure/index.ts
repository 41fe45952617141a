/** `webui-tune measure`: what Open WebUI costs here, found out with servers and data of our own. */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import type { Scope } from '../../base/io/scope.ts';
import { cpuMs } from '../../base/machine/process-cpu.ts';
import { type Memory, readMemory, sumMemory } from '../../base/machine/process-memory.ts';
import type { ProcessInfo } from '../../base/machine/process-table.ts';
import { formatBytes, MIB } from '../../base/units.ts';
import { withPostgres } from '../../facts/services/postgres.ts';
import { parseDatabaseUrl } from '../../facts/services/urls.ts';
import type { Conditions } from '../../plan/measurement.ts';
import type { Plan } from '../../plan/types.ts';
import { settingsDigest } from '../../tune/measurements/conditions.ts';
import type { KeptMeasurement } from '../../tune/measurements/kept.ts';
import type { Tuned } from '../../tune/tuned.ts';
import { makeScratchFolder } from '../scratch/folder.ts';
import { startScratchServices } from '../scratch/services.ts';
import { ADMIN_EMAIL, type Lookup, scratchSettings, substitutesFor, wantedFor } from '../scratch/settings.ts';
import { startTrial, type TrialCluster } from './cluster.ts';
import { cpuOfCall, peakUnderLoad, type User, warmUp } from './warm-up.ts';

/** Two show what workers share. Each additional one costs as much as the second. */
const MOST_WORKERS = 2;

/** Bytes for PostgreSQL, Redis and Chroma of our own. */
const SERVICES_ROOM = 512 * MIB;

/** A process that takes less than this share of a core is at rest. */
const REST_SHARE = 0.05;
const REST_MS = 500;
const REST_TIMEOUT_MS = 15_000;

export interface MeasureContext {
  env: Environment;
  home: string;
  /** What is done now, and the share of the whole that is done by then, from 0 to 1. */
  progress: (text: string, share: number) => void;
}

/** How many workers are measured. Throws TuneError where they would not fit beside all that runs now. */
export function workersToMeasure({ workers, memory, machine }: Plan): number {
  const wanted = Math.min(workers, MOST_WORKERS);
  const needed = (count: number) => memory.base + count * (memory.worker + memory.growth) + SERVICES_ROOM;
  const { availableBytes } = machine.memory;
  if (needed(wanted) <= availableBytes) return wanted;
  if (needed(1) <= availableBytes) return 1;
  throw new TuneError(
    `measuring needs ${formatBytes(needed(1))}, and ${formatBytes(availableBytes)} are free`,
    EXIT.machine,
    ['measure while Open WebUI is stopped'],
  );
}

/**
 * Measures the installation that was planned. Everything that it starts and writes is its own, below one folder, and
 * ends with `scope`. Took 152 s on two cores with a load average of 12. Throws TuneError.
 */
export async function measure(
  scope: Scope,
  { plan, settings, runtime }: Tuned,
  { env, home, progress }: MeasureContext,
): Promise<KeptMeasurement> {
  const begun = performance.now();
  const workers = workersToMeasure(plan);
  const lookup = lookupIn(plan, settings);
  const { database, redis } = plan.services;
  progress('starting servers of our own', 0);
  const folder = await makeScratchFolder(scope);
  const { python } = plan.places;
  const services = await startScratchServices(scope, wantedFor(lookup, database.kind, redis.kind), {
    folder,
    python,
    env,
    home,
    progress: (text) => progress(text, 0),
  });
  const dataDir = join(folder.path, 'data');
  mkdirSync(dataDir, { mode: 0o700 });
  const user: User = { email: ADMIN_EMAIL, password: randomBytes(12).toString('base64url') };
  const trial = {
    // Where the package itself does not stay, it is still here.
    plan: { ...plan, workers, places: { ...plan.places, runtime: runtime?.source ?? plan.places.runtime } },
    folder,
    env,
    settings: scratchSettings({
      get: lookup,
      services,
      database: database.kind,
      dataDir,
      usersDataDir: plan.places.dataDir,
      embedsLocally: plan.memory.embedsLocally,
      password: user.password,
    }),
  };

  progress('starting Open WebUI on an empty database', 0.05);
  const first = await startTrial(scope, trial);
  await first.stop();
  // What migrations leave in memory is there once in an installation's life.
  progress('starting Open WebUI', 0.4);
  const cluster = await startTrial(scope, trial);
  progress('looking at idle workers', 0.6);
  await untilAtRest(cluster.workers);
  const idle = cluster.workers.map(({ pid }) => readMemory(pid).private);
  for (const [index, worker] of cluster.workers.entries()) {
    progress(
      `chats, an upload and API calls: worker ${index + 1} of ${workers}`,
      0.65 + 0.2 * (index / workers),
    );
    await warmUp(cluster, worker, { user, upstream: services.upstream });
  }
  progress('counting CPU time and connections', 0.85);
  const cpu = await cpuOfCall(cluster, user);
  const connections =
    database.kind === 'postgresql' && services.databaseUrl !== undefined
      ? await connectionsUnderLoad(cluster, user, services.databaseUrl)
      : null;
  progress('looking at workers after their work', 0.95);
  await untilAtRest(cluster.workers);
  const figures = memoryOf(cluster);

  return {
    conditions: conditionsOf(plan, cluster, settingsDigest(settings, plan.services)),
    at: new Date().toISOString(),
    seconds: round((performance.now() - begun) / 1000, 1),
    workers,
    ...figures,
    workerIdle: Math.max(...idle),
    firstBootSeconds: round(first.bootMs / 1000, 2),
    bootSeconds: round(cluster.bootMs / 1000, 2),
    forkMs: Math.max(...cluster.forkMs),
    cpuMs: round(cpu, 2),
    connections,
    notes: [
      ...substitutesFor(lookup),
      ...(cluster.level === plan.memory.level
        ? []
        : [`planned with the preload level ${plan.memory.level}; the preload process took ${cluster.level}`]),
    ],
  };
}

/** Values of settings as Open WebUI gets them: the computed ones, and those that only the user knows. */
function lookupIn(plan: Plan, settings: Tuned['settings']): Lookup {
  const planned = new Map(plan.settings.map(({ key, value }) => [key, value]));
  return (name) => planned.get(name) ?? settings.get(name)?.value;
}

function conditionsOf(
  { openWebui, machine, preset, memory }: Plan,
  { level }: Pick<TrialCluster, 'level'>,
  settings: string,
): Conditions {
  const { embedsLocally } = memory;
  return {
    openWebui: openWebui.version,
    python: openWebui.python,
    ...(openWebui.torch !== undefined && { torch: openWebui.torch }),
    architecture: machine.architecture,
    preset,
    level,
    embedsLocally,
    settings,
  };
}

/** Waits until the processes are at rest. One that never rests is measured as it is. */
async function untilAtRest(processes: readonly ProcessInfo[]): Promise<void> {
  const deadline = performance.now() + REST_TIMEOUT_MS;
  for (let before = cpuMs(processes); performance.now() < deadline; ) {
    await sleep(REST_MS);
    const now = cpuMs(processes);
    if (now - before <= REST_SHARE * REST_MS * processes.length) return;
    before = now;
  }
}

/** Connections to the database a worker, at the most. */
async function connectionsUnderLoad(cluster: TrialCluster, user: User, databaseUrl: string): Promise<number> {
  const url = parseDatabaseUrl(databaseUrl);
  if (!url) throw new Error('the scratch database has no URL');
  const count = () =>
    withPostgres(url, async (client) => {
      const { rows } = await client.query<{ count: number }>(
        "SELECT count(*)::int AS count FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
      );
      return rows[0]?.count ?? 0;
    });
  return (await peakUnderLoad(cluster, user, count)) / cluster.workers.length;
}

/**
 * A plan's figures. `Pss` is the whole of it where nobody else maps the same files; where somebody does, such as a
 * running cluster of the same installation, the preload process's own `Rss` says what it would be alone.
 */
function memoryOf(cluster: TrialCluster): Pick<KeptMeasurement, 'base' | 'worker' | 'supervisor' | 'tree'> {
  const workers = cluster.workers.map(({ pid }) => readMemory(pid));
  const supervisors = cluster.supervisors.map(({ pid }) => readMemory(pid));
  const preload = readMemory(cluster.preload.pid);
  const tree = sumMemory(cluster.processes()).pss;
  const own = [...workers, ...supervisors].reduce((sum, memory) => sum + memory.private, 0);
  const [supervisor] = supervisors;
  const alone = preload.rss + (supervisor ? supervisor.rss - supervisor.private : 0);
  return {
    base: Math.max(tree - own, alone),
    worker: largest(workers),
    supervisor: largest(supervisors),
    tree,
  };
}

function largest(memories: readonly Memory[]): number {
  return Math.max(...memories.map((memory) => memory.private));
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
