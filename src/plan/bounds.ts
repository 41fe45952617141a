import type { MachineFacts } from '../base/machine/facts.ts';
import { formatBytes } from '../base/units.ts';
import type { Colocated, RedisFacts, ServiceFacts } from '../facts/types.ts';
import type { PlanInput } from './input.ts';
import { surge } from './model.ts';
import { connectionBudget, connectionsOf, leastPools } from './pools.ts';
import { type Requirement, usesPgvector } from './services.ts';
import type { Plan, Recommendation } from './types.ts';

/** Connections of a worker to Redis under load: its pools grow with the number of requests at one time (an estimate). */
export const REDIS_CONNECTIONS = 64;

/** Connections and files that a busy worker may have open: one for each browser, and one for each answer. */
const OPEN_FILES = 4096;

/** Linux's default since 5.4: room for a burst of connections while a worker is busy. */
const SOMAXCONN = 1024;

/** Workers that Redis has connections for, beside one more during a reload. Null: unknown. */
export function workersForRedis(redis: RedisFacts): number | null {
  if (redis.kind !== 'redis' || redis.maxClients === undefined) return null;
  return Math.max(1, Math.floor(redis.maxClients / REDIS_CONNECTIONS) - 1);
}

/** Each known bound with its arithmetic; the key is `bounds.` and its name. */
export function boundReasons(
  { bounds, memory, machine, services }: Pick<Plan, 'bounds' | 'memory' | 'machine' | 'services'>,
  input: PlanInput,
  requirement: Requirement,
): Recommendation[] {
  const { quota, physicalCores } = machine.cpu;
  const share = (services.colocated ?? []).reduce((sum, { cpuShare }) => sum + cpuShare, 0);
  const cores = Math.min(physicalCores, quota?.cores ?? physicalCores);
  const { settings } = input;
  const each = connectionsOf(leastPools(settings, usesPgvector(requirement)));
  const reasons: Readonly<Record<keyof Plan['bounds'], string>> = {
    cores: `${cores} cores × ${input.preset.workers.perCore} a core${share > 0 ? `, less ${Math.round(share * 100)} % for ${namesOf(services)}` : ''}`,
    memory: `(${formatBytes(memory.budget)} − ${formatBytes(memory.services)} for services − ${formatBytes(memory.base)}) ÷ ${formatBytes(memory.worker + memory.growth)}${surge(memory.level) > 0 ? ', less one for reloads' : ''}`,
    database: `(${connectionBudget(services.database)?.reason ?? ''}) ÷ ${each} connections a worker, less one for reloads`,
    services:
      bounds.services === 1
        ? 'several need PostgreSQL, Redis and a shared vector store'
        : `Redis’s maxclients ÷ ${REDIS_CONNECTIONS} a worker, less one for reloads`,
    user: input.workers?.from ?? `the preset ${JSON.stringify(input.preset.name)}`,
  };
  return Object.entries(bounds).flatMap(([name, workers]) =>
    workers === null
      ? []
      : [
          {
            key: `bounds.${name}`,
            value: workers,
            reason: reasons[name as keyof Plan['bounds']],
            source: name === 'user' ? (input.workers?.source ?? 'preset') : 'computed',
          },
        ],
  );
}

/** The memory and cores that are set aside, service by service. */
export function servicesReason(colocated: readonly Colocated[]): string {
  if (colocated.length === 0) return 'no service was found on this machine';
  return colocated
    .map(({ name, bytes, reason, cpuShare }) =>
      [`${name} ${formatBytes(bytes)} and ${Math.round(cpuShare * 100)} % of the cores`, `(${reason})`].join(
        ' ',
      ),
    )
    .join(', ');
}

/** Warns if the database cannot take even the smallest pools of the planned workers. */
export function explainConnections(
  { settings, services }: PlanInput,
  requirement: Requirement,
  workers: number,
): string[] {
  const budget = connectionBudget(services.database);
  const each = connectionsOf(leastPools(settings, usesPgvector(requirement)));
  if (services.database.kind === 'postgresql' && !Number.isFinite(each)) {
    return ['a pool size of 0 means a new connection for each use: nothing limits their number'];
  }
  const needed = each * (workers + 1);
  if (!budget || needed <= budget.connections) return [];
  return [
    `PostgreSQL has ${budget.connections} connections for Open WebUI (${budget.reason}), and ${workers} + 1 workers may need ` +
      `${needed}: raise max_connections`,
  ];
}

/** Warns of limits of the kernel and of Redis that a busy server reaches. */
export function explainLimits({ openFiles, somaxconn }: MachineFacts, { redis }: ServiceFacts): string[] {
  const warnings: string[] = [];
  if (openFiles && openFiles.value < OPEN_FILES) {
    warnings.push(
      `a process may open only ${openFiles.value} files and sockets (${openFiles.source}): ` +
        'set LimitNOFILE=65536 in PM2’s systemd unit, or run ulimit -n 65536 before pm2 starts',
    );
  }
  if (somaxconn && somaxconn.value < SOMAXCONN) {
    warnings.push(
      `only ${somaxconn.value} connections may wait while workers are busy: sysctl -w net.core.somaxconn=4096`,
    );
  }
  if (redis.kind === 'redis' && redis.maxClients !== undefined && redis.maxClients < 2 * REDIS_CONNECTIONS) {
    warnings.push(
      `Redis accepts only ${redis.maxClients} connections: raise its maxclients (10000 is its default)`,
    );
  }
  return warnings;
}

function namesOf({ colocated = [] }: ServiceFacts): string {
  return colocated.map(({ name }) => name).join(', ');
}
