import { EXIT, TuneError } from '../../base/errors.ts';
import { formatBytes, MIB } from '../../base/units.ts';
import type { DatabaseFacts } from '../../facts/types.ts';
import { workersForRedis } from '../../plan/bounds.ts';
import { containerRequirement, containersUsePgvector } from '../../plan/containers.ts';
import { MEASURED } from '../../plan/measured-capacity.ts';
import { connectionBudget, connectionsOf, leastPools, workersForConnections } from '../../plan/pools.ts';
import type { Plan } from '../../plan/types.ts';

/** PostgreSQL's defaults, for a server that could not be asked (postgresql.conf: max_connections, …reserved_connections). */
const DEFAULT_POSTGRES = { maxConnections: 100, reservedConnections: 3 } as const;

/** Clients of the chart's Redis, with the values that are rendered here. */
export const REDIS_CLIENTS = 10_000;

/** The request is this factor above the measurement, rounded up to whole steps; the limit, twice the request, is a choice. */
const HEADROOM = 1.25;
const STEP = 128 * MIB;
const LIMIT_FACTOR = 2;

/** On a busy node, a boot may take this many times as long as measured. */
const BOOT_FACTOR = 6;

/** Seconds between two startup probes. */
export const STARTUP_PERIOD = 2;

/** A pod's memory in bytes, with its arithmetic, and its number of startup probes. */
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
    requestReason: `${parts} measured × ${HEADROOM}, rounded up to multiples of ${formatBytes(STEP)}`,
    limit: LIMIT_FACTOR * request,
    startupChecks: Math.ceil((BOOT_FACTOR * MEASURED.bootSeconds) / STARTUP_PERIOD),
  };
}

/** The pods' database: the PostgreSQL that was asked, with defaults for what it did not say. Throws TuneError for any other. */
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
        'set DATABASE_URL=postgresql://user:password@host:5432/name here (webui-tune asks it for its limits, and writes nothing)',
      ],
    );
  }
  return { ...DEFAULT_POSTGRES, vector: 'creatable', ...database };
}

/** Throws TuneError, with the arithmetic, if this number of pods cannot work. */
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
      '--format helm cannot work: a pool size of 0 opens a connection for each use, and nothing limits their number',
      EXIT.settings,
      ['remove DATABASE_POOL_SIZE: webui-tune computes it for this number of pods'],
    );
  }
  const needed = each * (replicas + 1);
  if (!budget || needed > budget.connections) {
    const most = workersForConnections(budget, settings, usesPgvector) ?? 0;
    throw new TuneError(
      `--format helm cannot work: ${replicas} + 1 pods × ${each} connections are more than the ${budget?.connections ?? 0} ` +
        `that PostgreSQL has for Open WebUI (${budget?.reason ?? 'unknown'}). One more pod is counted, because a pod that ends ` +
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
      `--format helm cannot work: one Redis accepts the connections of ${redis} pods, not of ${replicas}`,
      EXIT.settings,
      [`--replicas ${redis}; docs/scaling.md says what comes after one Redis`],
    );
  }
}

/** The max_connections that would be needed, rounded up to whole hundreds. */
function maxConnectionsFor(needed: number, database: DatabaseFacts, had = 0): number {
  const now = database.kind === 'postgresql' ? (database.maxConnections ?? 0) : 0;
  return Math.ceil((now + needed - had) / 100) * 100;
}
