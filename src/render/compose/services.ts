import type { MachineFacts } from '../../base/machine/facts.ts';
import { MIB } from '../../base/units.ts';
import { CPU_SHARES } from '../../facts/services/colocated.ts';
import type { Colocated, DatabaseFacts, ServiceFacts } from '../../facts/types.ts';
import { CONNECTIONS_A_WORKER } from '../../plan/pools.ts';
import type { YamlValue } from '../yaml.ts';

/** Images of the services, by tags that get fixes but never a new format on disk. */
const POSTGRES_IMAGE = 'pgvector/pgvector:pg17';
const VALKEY_IMAGE = 'valkey/valkey:8-alpine';

/** Name of the user and of the database; the password is in a file. */
export const DATABASE = 'openwebui';

/** Files of the secrets that every form needs, beside the Compose file. */
export const SECRETS = { postgres: 'postgres-password', key: 'webui-secret-key' } as const;

/** PostgreSQL's default; other tools expect at least this many. */
const LEAST_CONNECTIONS = 100;

/** Connections for superusers (PostgreSQL's default), and as many spare ones for psql and backups. */
const RESERVED = 3;

/** Memory of the two services in bytes. */
export interface ServiceMemory {
  postgres: number;
  sharedBuffers: number;
  redis: number;
  redisData: number;
}

/** An eighth of the machine for PostgreSQL and a thirty-second for Redis, within bounds (choices, not measurements). */
export function serviceMemory({ memory }: MachineFacts): ServiceMemory {
  const total = Math.min(memory.totalBytes, memory.limit?.bytes ?? Number.POSITIVE_INFINITY);
  const part = (share: number, least: number, most: number) =>
    Math.min(Math.max(Math.floor((total * share) / MIB / 32) * 32, least), most) * MIB;
  const postgres = part(1 / 8, 192, 4096);
  const redisData = part(1 / 32, 64, 1024);
  return { postgres, sharedBuffers: postgres / 4, redis: 1.5 * redisData, redisData };
}

/** The services that the file itself brings, for the plan, which sets their memory aside. */
export function ownServices(machine: MachineFacts): ServiceFacts {
  const { postgres, redis } = serviceMemory(machine);
  const reason = 'the limit of its container';
  const colocated: Colocated[] = [
    { name: 'PostgreSQL', where: 'postgres:5432', bytes: postgres, reason, cpuShare: CPU_SHARES.PostgreSQL },
    { name: 'Redis', where: 'valkey:6379', bytes: redis, reason, cpuShare: CPU_SHARES.Redis },
  ];
  return { database: { kind: 'unknown' }, redis: { kind: 'unknown' }, colocated };
}

export function maxConnections(workers: number): number {
  return Math.max(LEAST_CONNECTIONS, (workers + 1) * CONNECTIONS_A_WORKER + 2 * RESERVED);
}

/** The database as Open WebUI will find it. */
export function ownDatabase(workers: number): DatabaseFacts {
  return {
    kind: 'postgresql',
    where: `postgres:5432/${DATABASE}`,
    answer: { up: true, version: '17' },
    vector: 'creatable',
    maxConnections: maxConnections(workers),
    reservedConnections: RESERVED,
    otherConnections: 0,
  };
}

/** The two services. */
export function serviceContainers(workers: number, memory: ServiceMemory): Record<string, YamlValue> {
  return {
    postgres: {
      image: POSTGRES_IMAGE,
      command: [
        'postgres',
        '-c',
        `max_connections=${maxConnections(workers)}`,
        '-c',
        `shared_buffers=${memory.sharedBuffers / MIB}MB`,
      ],
      environment: {
        POSTGRES_USER: DATABASE,
        POSTGRES_DB: DATABASE,
        POSTGRES_PASSWORD_FILE: `/run/secrets/${SECRETS.postgres}`,
      },
      secrets: [SECRETS.postgres],
      volumes: ['postgres:/var/lib/postgresql/data'],
      shm_size: '128mb',
      mem_limit: `${memory.postgres / MIB}m`,
      healthcheck: {
        test: ['CMD', 'pg_isready', '--host=127.0.0.1', `--username=${DATABASE}`, `--dbname=${DATABASE}`],
        interval: '5s',
        timeout: '5s',
        retries: 12,
      },
      // The image stops PostgreSQL with a fast shutdown, which does not wait for connections; its checkpoint takes time.
      stop_grace_period: '60s',
      restart: 'unless-stopped',
    },
    valkey: {
      image: VALKEY_IMAGE,
      command: [
        'valkey-server',
        '--save',
        '',
        '--maxclients',
        '10000',
        '--timeout',
        '1800',
        '--maxmemory',
        `${memory.redisData / MIB}mb`,
        '--maxmemory-policy',
        'noeviction',
      ],
      mem_limit: `${memory.redis / MIB}m`,
      healthcheck: { test: ['CMD', 'valkey-cli', 'ping'], interval: '5s', timeout: '5s', retries: 12 },
      restart: 'unless-stopped',
    },
  };
}
