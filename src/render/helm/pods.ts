import { EXIT, TuneError } from '../../base/errors.ts';
import { formatBytes, MIB } from '../../base/units.ts';
import type { DatabaseFacts } from '../../facts/types.ts';
import { workersForRedis } from '../../plan/bounds.ts';
import { containerRequirement, containersUsePgvector } from '../../plan/containers.ts';
import { MEASURED } from '../../plan/measured-capacity.ts';
import { connectionBudget, connectionsOf, leastPools, workersForConnections } from '../../plan/pools.ts';
import type { Plan } from '../../plan/types.ts';

/** PostgreSQL's own defaults, where nobody could be asked (postgresql.conf: max_connections, …reserved_connections). */
const DEFAULT_POSTGRES = { maxConnections: 100, reservedConnections: 3 } as const;

/** Of the Redis that the chart brings, as its values are rendered here. */
export const REDIS_CLIENTS = 10_000;

/** Requests are this much above what was measured, in whole steps; the limit is a choice: twice the request. */
const HEADROOM = 1.25;
const STEP = 128 * MIB;
const LIMIT_FACTOR = 2;

/** A pod may take this many times the boot that was measured, on a node that is busy. */
const BOOT_FACTOR = 6;

/** Seconds between two looks of the startup probe. */
export const STARTUP_PERIOD = 2;

/** Pods in seconds, bytes and counts, each with its arithmetic. */
export interface Pods {
  request: number;
  requestReason: string;
  limit: number;
  startupChecks: number;
}

export function podFigures(localEmbeddings: boolean): Pods {
  const measured = MEASURED.processBytes + (localEmbeddings ? MEASURED.embeddingBytes : 0);
  const request = Math.ceil((measured * HEADROOM) / STEP) * STEP;
  const parts = localEmbeddings
    ? `(${formatBytes(MEASURED.processBytes)} + ${formatBytes(MEASURED.embeddingBytes)} for a local embedding model)`
    : formatBytes(measured);
  return {
    request,
    requestReason: `${parts} measured × ${HEADROOM}, up to whole ${formatBytes(STEP)}`,
    limit: LIMIT_FACTOR * request,
    startupChecks: Math.ceil((BOOT_FACTOR * MEASURED.bootSeconds) / STARTUP_PERIOD),
  };
}

/** The database of the pods: the one that was asked, else PostgreSQL with its defaults. Throws TuneError for any other. */
export function podDatabase({
  services: { database },
}: Plan): Extract<DatabaseFacts, { kind: 'postgresql' }> {
  if (database.kind !== 'postgresql') {
    const problem =
      database.kind === 'other'
        ? `the database is ${database.scheme}`
        : 'the database is SQLite, a file for one process';
    throw new TuneError(
      `--format helm cannot work: ${problem}, and pods on several nodes share one`,
      EXIT.settings,
      [
        'set DATABASE_URL=postgresql://user:password@host:5432/name here (it is asked for its limits, and never written)',
      ],
    );
  }
  // What it could not be asked for is assumed.
  return { ...DEFAULT_POSTGRES, vector: 'creatable', ...database };
}

/** Throws TuneError with the arithmetic where so many pods cannot work. */
export function requirePossible(plan: Plan, replicas: number, database: DatabaseFacts): void {
  const { settings } = containerRequirement(plan, database);
  const usesPgvector = containersUsePgvector(plan, database);
  const store = settings.get('VECTOR_DB')?.value || undefined;
  if (
    !usesPgvector &&
    (store === undefined || store === 'chroma') &&
    !settings.get('CHROMA_HTTP_HOST')?.value
  ) {
    throw new TuneError(
      '--format helm cannot work: each pod would keep its own vectors in a folder (VECTOR_DB), and the database has no pgvector',
      EXIT.settings,
      [
        'as a PostgreSQL superuser, in that database: CREATE EXTENSION vector;',
        'or set VECTOR_DB and its server',
      ],
    );
  }
  const budget = connectionBudget(database);
  const each = connectionsOf(leastPools(settings, usesPgvector));
  if (!Number.isFinite(each)) {
    throw new TuneError(
      '--format helm cannot work: a pool size of 0 opens a connection for each use, and nothing holds their number',
      EXIT.settings,
      ['take DATABASE_POOL_SIZE away: it is worked out for so many pods'],
    );
  }
  const needed = each * (replicas + 1);
  if (!budget || needed > budget.connections) {
    const most = workersForConnections(budget, settings, usesPgvector) ?? 0;
    throw new TuneError(
      `--format helm cannot work: ${replicas} + 1 pods × ${each} connections are more than the ${budget?.connections ?? 0} ` +
        `that PostgreSQL has for us (${budget?.reason ?? 'unknown'}). One pod more is counted, because a pod that ends ` +
        'holds its connections for a while',
      EXIT.settings,
      [
        `max_connections = ${maxConnectionsFor(needed, database, budget?.connections)} in PostgreSQL`,
        `or --replicas ${most}${settings.has('DATABASE_POOL_SIZE') ? ', or a smaller DATABASE_POOL_SIZE' : ''}`,
      ],
    );
  }
  const redis = workersForRedis({
    kind: 'redis',
    where: '',
    answer: { up: true, version: '' },
    maxClients: REDIS_CLIENTS,
  });
  if (redis !== null && replicas > redis) {
    throw new TuneError(
      `--format helm cannot work: ${replicas} pods are more than one Redis has clients for (${redis})`,
      EXIT.settings,
      [`--replicas ${redis}: see docs/scaling.md for what comes after one Redis`],
    );
  }
}

/** What max_connections would have to be, in whole hundreds. */
function maxConnectionsFor(needed: number, database: DatabaseFacts, had = 0): number {
  const now = database.kind === 'postgresql' ? (database.maxConnections ?? 0) : 0;
  return Math.ceil((now + needed - had) / 100) * 100;
}
