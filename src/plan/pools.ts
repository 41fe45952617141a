import type { DatabaseFacts, Settings } from '../facts/types.ts';

/*
 * Database connections of one worker: open_webui/internal/db.py and retrieval/vector/dbs/pgvector.py (0.12.4). Each
 * worker has a sync and an async SQLAlchemy engine, both sized by DATABASE_POOL_SIZE and DATABASE_POOL_MAX_OVERFLOW, and
 * with VECTOR_DB=pgvector a third one, sized by PGVECTOR_POOL_SIZE.
 */

/** SQLAlchemy's own pool if no size is set: 5, and 10 more under load. The overflow variables are then ignored. */
const SQLALCHEMY_POOL = 15;

/** Connections that stay free for the preload process, psql and backups (an estimate). */
const SPARE = 5;

/** Smallest useful pools: of each of a worker's two engines, and of pgvector's. With fewer connections, requests queue. */
const LEAST_ENGINE = 4;
const LEAST_VECTOR = 2;

/** A worker never had more in use (an estimate: one Python thread, 10 to 15 ms a request). */
const MOST_ENGINE = 20;
const MOST_VECTOR = 8;

/**
 * Connections that our own PostgreSQL allows for each worker: a worker never had more than 30 in use, both engines together
 * (an estimate too). On our own server, the pools above are cut to fit.
 */
export const CONNECTIONS_A_WORKER = 30;

/** Share of an engine's connections that are opened only under load, and closed after it. */
const OVERFLOW_SHARE = 0.25;

export interface ConnectionBudget {
  /** Connections that Open WebUI may use. */
  connections: number;
  /** The arithmetic of that number. */
  reason: string;
}

/** Connections that all workers together may have; undefined if PostgreSQL did not say. */
export function connectionBudget(database: DatabaseFacts): ConnectionBudget | undefined {
  if (database.kind !== 'postgresql' || database.maxConnections === undefined) return undefined;
  const { maxConnections: most, reservedConnections: reserved = 0, otherConnections: others = 0 } = database;
  const left = most - reserved - others;
  const ceiling = Math.min(left, database.connectionLimit ?? Number.POSITIVE_INFINITY);
  const reason =
    ceiling < left
      ? `a CONNECTION LIMIT of ${ceiling} − ${SPARE} spare`
      : `max_connections ${most} − ${reserved} reserved − ${others} used by others − ${SPARE} spare`;
  return { connections: Math.max(0, ceiling - SPARE), reason };
}

export interface WorkerPools {
  /** Connections of one of the two engines. Undefined: without a bound. */
  engine: number | undefined;
  vector: number | undefined;
}

/** A worker's pools as the user has set them; the smallest useful pools if the user has not. */
export function leastPools(settings: Settings, usesPgvector: boolean): WorkerPools {
  return {
    engine: poolOf(settings, 'DATABASE_POOL') ?? LEAST_ENGINE,
    vector: usesPgvector ? (poolOf(settings, 'PGVECTOR_POOL') ?? LEAST_VECTOR) : 0,
  };
}

/** Infinity for a pool of 0: SQLAlchemy's NullPool opens one connection for each use. Undefined: not set. */
function poolOf(settings: Settings, name: string): number | undefined {
  const text = settings.get(`${name}_SIZE`)?.value;
  if (!text) return undefined;
  const size = Number.parseInt(text, 10);
  if (!Number.isInteger(size)) return SQLALCHEMY_POOL;
  if (size <= 0) return Number.POSITIVE_INFINITY;
  return size + Math.max(0, Number.parseInt(settings.get(`${name}_MAX_OVERFLOW`)?.value || '0', 10) || 0);
}

/** The most connections of one worker. */
export function connectionsOf({ engine = 0, vector = 0 }: WorkerPools): number {
  return 2 * engine + vector;
}

/** Workers that the database has connections for, beside one more during a reload. Null: unknown. */
export function workersForConnections(
  budget: ConnectionBudget | undefined,
  settings: Settings,
  usesPgvector: boolean,
): number | null {
  const each = connectionsOf(leastPools(settings, usesPgvector));
  if (!budget || !Number.isFinite(each)) return null;
  return Math.max(1, Math.floor(budget.connections / each) - 1);
}

export interface ChosenPools {
  size: number;
  overflow: number;
  vector: number;
}

/** Pools for each of `workers` + 1 workers, within the database's connections and beside the pools that the user has set. */
export function choosePools(
  budget: ConnectionBudget,
  workers: number,
  settings: Settings,
  usesPgvector: boolean,
): ChosenPools {
  const share = Math.floor(budget.connections / (workers + 1));
  const theirEngine = boundedPoolOf(settings, 'DATABASE_POOL');
  const theirVector = boundedPoolOf(settings, 'PGVECTOR_POOL');
  const room = theirEngine === undefined ? Math.floor(share / 5) : share - 2 * theirEngine;
  const vector = usesPgvector ? (theirVector ?? clamp(room, LEAST_VECTOR, MOST_VECTOR)) : 0;
  const engine = clamp(Math.floor((share - vector) / 2), 1, MOST_ENGINE);
  const overflow = Math.floor(engine * OVERFLOW_SHARE);
  return { size: engine - overflow, overflow, vector };
}

/** Undefined also for a pool without a bound, for which nothing can be set aside. */
function boundedPoolOf(settings: Settings, name: string): number | undefined {
  const connections = poolOf(settings, name);
  return Number.isFinite(connections) ? connections : undefined;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
