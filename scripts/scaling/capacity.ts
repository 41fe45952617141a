import { formatBytes } from '../../src/base/units.ts';
import { REDIS_CONNECTIONS } from '../../src/plan/bounds.ts';
import { type Cost, MEASURED } from '../../src/plan/measured-capacity.ts';
import { baseCost, type Kind, PM2_DAEMON, workerCost } from '../../src/plan/model.ts';
import { connectionsOf } from '../../src/plan/pools.ts';

/** How people use Open WebUI, and how full each part may be. All of this is assumed: none of it was measured. */
export interface Assumptions {
  /** Share of the users who have a page open in the busiest hour. */
  online: number;
  /** Questions that each of them asks in that hour. */
  messages: number;
  /** API calls of the page for each question, without the question itself. */
  calls: number;
  /** How often each of them opens the page in that hour. */
  opens: number;
  /** Share of the openings of a chat that find it open at another worker too: it is shared, or open in two pages. */
  shared: number;
  /** Workers that share the memory of one pod. */
  workersPerPod: number;
  /** Share of a core, a database or a Redis that may be used on average, so that bursts do not queue for long. */
  utilisation: number;
  /** Transactions per second of one PostgreSQL server on good hardware. */
  postgresTransactions: number;
  /** Bits per second of Redis' network. */
  networkBits: number;
  /** Connections of one PostgreSQL server without a pooler. */
  postgresConnections: number;
  /** Clients of one Redis (its default). */
  redisClients: number;
}

export const ASSUMPTIONS: Assumptions = {
  online: 0.1,
  messages: 10,
  calls: 10,
  opens: 2,
  shared: 0.05,
  workersPerPod: 4,
  utilisation: 0.6,
  postgresTransactions: 20_000,
  networkBits: 10e9,
  postgresConnections: 1_000,
  redisClients: 10_000,
};

/** The load on one part, and what one server of that kind can bear. */
export interface Load {
  part:
    | 'workers'
    | 'worker memory'
    | 'PostgreSQL'
    | 'connections'
    | 'disk'
    | 'Redis'
    | 'Redis clients'
    | 'Redis network';
  /** How much is needed, in `unit`. */
  need: number;
  unit: string;
  /** What one server of that kind can bear; undefined: others can be added. */
  limit?: number;
  /** The arithmetic. */
  reason: string;
}

export interface Capacity {
  /** Users of one installation. */
  users: number;
  /** Number of installations, each with its own database and Redis; more than 1 if one cannot bear all users. */
  installations: number;
  online: number;
  /** Per second, like `requests`. */
  messages: number;
  requests: number;
  workers: number;
  loads: Load[];
}

const SECONDS = 3_600;

/** Copy-on-write workers whose documents are embedded elsewhere. */
const LEAN: Kind = { level: 'lean', embedsLocally: false };

/** Connections of a worker with pools of four for each engine and two for vectors: the least (plan/pools.ts). */
const LEAST_CONNECTIONS = connectionsOf({ engine: 4, vector: 2 });

/** What one of the installations needs in the busiest hour, if `users` users are spread over as many as it takes. Pure. */
export function capacityFor(users: number, assumed: Assumptions = ASSUMPTIONS): Capacity {
  const most = Math.max(1, breakingPoints(assumed)[0]?.users ?? users);
  const installations = Math.ceil(users / most);
  return { ...oneInstallation(Math.ceil(users / installations), assumed), installations };
}

/** What one installation needs, even if that exceeds what a server can bear. */
function oneInstallation(users: number, assumed: Assumptions): Omit<Capacity, 'installations'> {
  const { request, chat, opening, idleSecond, session } = MEASURED;
  const online = users * assumed.online;
  const messages = (online * assumed.messages) / SECONDS;
  const requests = messages * assumed.calls;
  const opens = (online * assumed.opens) / SECONDS;
  // A question is asked in a new chat, and another one is left for it; a page that opens shows a chat, until it closes.
  const read = 2 * (messages + opens) * assumed.shared * online;
  const sum = (key: keyof Cost) =>
    messages * chat[key] +
    requests * request[key] +
    opens * opening[key] +
    online * idleSecond[key] +
    read * session[key];

  const cpu = sum('cpuMs') / 1000;
  const redisCpu = sum('redisCpuMs') / 1000;
  const { utilisation, workersPerPod } = assumed;
  const workers = Math.max(1, Math.ceil(cpu / utilisation));
  const pods = Math.ceil(workers / workersPerPod);
  const podBytes = baseCost(LEAN, workersPerPod) + PM2_DAEMON;
  return {
    users,
    online,
    messages,
    requests,
    workers,
    loads: [
      {
        part: 'workers',
        need: workers,
        unit: 'workers',
        reason: `${cpu.toFixed(2)} s of CPU time per second ÷ ${utilisation}`,
      },
      {
        part: 'worker memory',
        need: pods * podBytes + workers * workerCost(LEAN) + online * MEASURED.pageBytes,
        unit: 'bytes',
        reason: `${pods} × ${formatBytes(podBytes)} that workers share + ${workers} × ${formatBytes(workerCost(LEAN))}, and every open page`,
      },
      {
        part: 'PostgreSQL',
        need: sum('transactions') / utilisation,
        unit: 'transactions/s',
        limit: assumed.postgresTransactions,
        reason: `${Math.round(sum('transactions'))} per second ÷ ${utilisation}`,
      },
      {
        part: 'connections',
        need: (workers + 1) * LEAST_CONNECTIONS,
        unit: 'connections',
        limit: assumed.postgresConnections,
        reason: `(workers + 1) × ${LEAST_CONNECTIONS}`,
      },
      {
        part: 'disk',
        need: messages * MEASURED.chatDatabaseBytes * SECONDS * 8 * 250,
        unit: 'bytes per year',
        reason: `${MEASURED.chatDatabaseBytes} bytes per chat, eight such hours on 250 days`,
      },
      {
        part: 'Redis',
        need: redisCpu / utilisation,
        unit: 'cores',
        limit: 1,
        reason: `${redisCpu.toFixed(3)} s of CPU time per second ÷ ${utilisation}`,
      },
      {
        part: 'Redis clients',
        need: workers * REDIS_CONNECTIONS,
        unit: 'clients',
        limit: assumed.redisClients,
        reason: `workers × ${REDIS_CONNECTIONS}`,
      },
      {
        part: 'Redis network',
        need: 8 * sum('redisBytes'),
        unit: 'bits/s',
        limit: assumed.networkBits * utilisation,
        reason: 'an event goes to the worker that holds the page',
      },
    ],
  };
}

/** The most users that each part with a limit can bear, the smallest number first. */
export function breakingPoints(assumed: Assumptions = ASSUMPTIONS): { part: Load['part']; users: number }[] {
  const parts = oneInstallation(1, assumed).loads.flatMap(({ part, limit }) =>
    limit === undefined ? [] : [part],
  );
  const holds = (part: Load['part'], users: number) => {
    const load = oneInstallation(users, assumed).loads.find((candidate) => candidate.part === part);
    return load !== undefined && load.need <= (load.limit ?? Number.MAX_VALUE);
  };
  return parts
    .map((part) => ({ part, users: largest((users) => holds(part, users)) }))
    .sort((a, b) => a.users - b.users);
}

/** The largest number for which `holds` is true; it must be true for all smaller ones. */
function largest(holds: (users: number) => boolean): number {
  let [low, high] = [0, 1];
  while (holds(high) && high < 1e12) [low, high] = [high, high * 2];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) low = middle;
    else high = middle;
  }
  return low;
}
