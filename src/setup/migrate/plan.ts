import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { type Need, requireSpace } from '../../base/io/disk-space.ts';
import type { Progress } from '../../base/io/progress.ts';
import { allEnded } from '../../base/io/wait.ts';
import { MIB } from '../../base/units.ts';
import { SERVICE_APPS } from '../../facts/embedded/apps.ts';
import type { Settings } from '../../facts/types.ts';
import type { Tuned } from '../../tune/tuned.ts';
import type { Setup } from '../up/setup.ts';
import { sizeOfFiles } from './files.ts';
import type { MigrateData } from './job.ts';
import { findOldKey, type OldKey } from './key.ts';
import { type Finding, Look, Prepared, VectorsLook } from './messages.ts';
import { findHolders, isOfOurs, type OldServer, serversOf } from './old-server.ts';
import { showProgress } from './progress-text.ts';
import { askPython } from './python-half.ts';
import { readRecord } from './record.ts';
import { refuseConflicts, refuseKeyElsewhere, refuseRunningTarget, requireCarriable } from './refusals.ts';
import { findSource, requireLocal, type Source } from './source.ts';
import { givenTarget, migrationFolder, SERVICES, targetOf, valuesOf } from './target.ts';

export interface MigrateOptions {
  from?: string;
  /** Nobody uses the source: the user says so. */
  stopped?: boolean;
}

/** Everything that was found out before anything is changed. */
export interface MigrationPlan {
  data: MigrateData;
  look: Look;
  vectors: VectorsLook;
  findings: Finding[];
  files: { files: number; bytes: number };
  servers: OldServer[];
  key: OldKey | undefined;
  /** The target in words, without a password. */
  target: string;
  /** Whether an earlier run has copied something already. */
  resumed: boolean;
}

/** Seconds of an outage beside the second pass: the stop, and the start of the new server on two idle cores. */
const STOP_AND_START = 20;
/** A database in PostgreSQL, with its indexes and its log, for each byte of one in SQLite (an estimate). */
const GROWTH = 2.5;
/** Programs, and an empty cluster with its first log. */
const EMBEDDED = 800 * MIB;

/**
 * Reads everything, and refuses what cannot be done. Changes nothing. Open WebUI is installed by then. Throws TuneError.
 */
export async function planMigration(
  setup: Setup,
  options: MigrateOptions,
  progress: Progress,
): Promise<MigrationPlan> {
  setup.isMigrating = true;
  setup.changed();
  try {
    return await look(setup, options, progress);
  } finally {
    setup.isMigrating = false;
    setup.changed();
  }
}

async function look(
  setup: Setup,
  { from, stopped = false }: MigrateOptions,
  progress: Progress,
): Promise<MigrationPlan> {
  const tuned = await setup.tuned();
  const { plan, settings } = tuned;
  const { dataDir, python } = plan.places;
  const record = readRecord(migrationFolder(setup));
  if (record !== undefined) {
    throw new TuneError(`${record.source} was migrated at ${record.at}`, EXIT.usage, [
      'webui-tune migrate --back points at it again, if nothing new was written since',
    ]);
  }
  const source = findSource(from, { settings, dataDir, cwd: setup.surroundings.cwd });
  requireLocal(source, stopped);
  const holders = findHolders(source.database);
  const servers = holders.length === 0 ? [] : serversOf(holders, await setup.processes());
  refuseRunningTarget(source, dataDir, await setup.processes());
  const findings: Finding[] = [];
  const half = (name: string) => ({
    python,
    env: setup.env,
    onProgress: showProgress(progress, name),
    onFinding: (finding: Finding) => findings.push(finding),
  });
  const env = valuesOf(settings);
  const [looked, vectors] = await allEnded([
    askPython('look', { source: source.database }, Look, half('tables')),
    askPython(
      'vectors-look',
      { env: storeOf(env, tuned), folder: join(source.dataDir, 'vector_db') },
      VectorsLook,
      half('vectors'),
    ),
  ]);
  progress.end();
  requireCarriable(source, looked);
  const resumed = await checkTarget(setup, tuned, env);
  const folder = migrationFolder(setup);
  const hasVectors = vectors.store === 'chroma' && vectors.collections.length > 0;
  const movesFiles = source.dataDir !== dataDir;
  const files = movesFiles ? sizeOfFiles(source.dataDir) : { files: 0, bytes: 0 };
  const data: MigrateData = {
    source: source.database,
    dataDir: source.dataDir,
    folder,
    isOlder: looked.version === 'older',
    movesFiles,
    hasVectors,
    vectorSettings: hasVectors ? vectors.settings : {},
    old: servers,
    outageSeconds: looked.outage_seconds + vectors.outage_seconds + STOP_AND_START,
    ran: (await setup.processes()).map(({ name }) => name).filter((name) => SERVICES.includes(name)),
  };
  refuseConflicts(settings, settingsToCome(settings, data), source, plan.places.envFile);
  const hasOurSettings = movesFiles ? false : servers.length === 0 || servers.some(isOfOurs);
  const { cwd } = setup.surroundings;
  const key = findOldKey({ source, holders, settings, hasOurSettings, cwd });
  refuseKeyElsewhere(key, settings);
  const space = needs(setup, tuned, { source, looked, vectors, files: files.bytes });
  requireSpace('the migration', space, NO_SPACE);
  const target = givenTarget(settings) === undefined ? 'the embedded PostgreSQL' : whereTo(tuned);
  return { data, look: looked, vectors, findings, files, servers, key, target, resumed };
}

/** A store that is set for the new database does not say where the old vectors are. */
function storeOf(env: Record<string, string>, { settings }: Tuned): Record<string, string> {
  const isForTarget = env.VECTOR_DB === 'pgvector' && !settings.get('PGVECTOR_DB_URL')?.value;
  return isForTarget ? { ...env, VECTOR_DB: 'chroma' } : env;
}

/** Where the target is there already, asks it. Returns whether an earlier run has begun there. */
async function checkTarget(setup: Setup, tuned: Tuned, env: Record<string, string>): Promise<boolean> {
  const runs = (await setup.processes()).some(
    ({ name, pm2_env }) => name === SERVICE_APPS.postgres && pm2_env.status === 'online',
  );
  if (givenTarget(tuned.settings) === undefined && !runs) return false;
  const { url, schema } = targetOf(setup, tuned);
  const half = { python: tuned.plan.places.python, env: setup.env };
  const request = { target: url, schema, env, dry: true };
  return (await askPython('prepare', request, Prepared, half)).resumed;
}

/** What will be set. Of a service that is not set up yet nobody knows the URL: whatever is set now is another one. */
function settingsToCome(
  settings: Settings,
  { hasVectors, vectorSettings }: MigrateData,
): ReadonlyMap<string, string> {
  return new Map([
    ...(givenTarget(settings) === undefined ? [['DATABASE_URL', ''] as const] : []),
    ...(hasVectors ? [['VECTOR_DB', 'pgvector'] as const, ...Object.entries(vectorSettings)] : []),
  ]);
}

function whereTo({ plan }: Tuned): string {
  const { database } = plan.services;
  return database.kind === 'postgresql' ? `PostgreSQL at ${database.where}` : 'PostgreSQL';
}

const NO_SPACE = ['free some, or set XDG_DATA_HOME to a folder on a larger disk; nothing was changed'];

interface Sizes {
  source: Source;
  looked: Look;
  vectors: VectorsLook;
  files: number;
}

function needs(setup: Setup, { plan, settings }: Tuned, { looked, vectors, files }: Sizes): Need[] {
  const database = looked.bytes + looked.wal_bytes;
  const isEmbedded = givenTarget(settings) === undefined;
  return [
    // Of an older version's database, a second copy is made in the outage.
    {
      path: setup.folder,
      bytes: database * (looked.version === 'older' ? 2 : 1) + vectors.bytes,
      what: 'the copies of the old data',
    },
    ...(isEmbedded
      ? [
          {
            path: setup.services,
            bytes: EMBEDDED + GROWTH * (database + vectors.bytes),
            what: 'the new database',
          },
        ]
      : []),
    { path: plan.places.dataDir, bytes: files, what: 'the files' },
  ];
}

/** Seconds of everything, and of the outage in it. */
export function estimateOf({ look: tables, vectors, servers, data }: MigrationPlan): {
  seconds: number;
  outage: number;
} {
  // Its copy is migrated twice.
  const older = data.isOlder ? tables.upgrade_seconds : 0;
  const outage = data.outageSeconds + older;
  return {
    seconds: tables.seconds + vectors.seconds + older + outage,
    outage: servers.length > 0 ? outage : 0,
  };
}
