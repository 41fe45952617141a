/** Pods of Kubernetes: how many, with how many workers each, and what one of them takes. */
import { EXIT, TuneError } from '../base/errors.ts';
import { formatBytes, MIB, plural } from '../base/units.ts';
import type { DatabaseFacts, RedisFacts } from '../facts/types.ts';
import { SUPERVISOR_END_SECONDS } from '../runtime/contract.ts';
import { REDIS_CONNECTIONS, workersForRedis } from './bounds.ts';
import {
  type ContainerSettings,
  containerRequirement,
  containerSettings,
  containersUsePgvector,
  embedsLocally,
} from './containers.ts';
import { askedMemory } from './documents.ts';
import { makePlan } from './index.ts';
import type { PlanInput } from './input.ts';
import { MEASURED } from './measured-capacity.ts';
import { PM2_DAEMON, surge } from './model.ts';
import { connectionBudget, connectionsOf, leastPools, workersForConnections } from './pools.ts';
import type { Plan } from './types.ts';

/** PostgreSQL's defaults, for a server that could not be asked (postgresql.conf: max_connections, …reserved_connections). */
const DEFAULT_POSTGRES = { maxConnections: 100, reservedConnections: 3 } as const;

/** Clients of the chart's Redis, with the values that are rendered for it. */
export const REDIS_CLIENTS = 10_000;

const REDIS: RedisFacts = {
  kind: 'redis',
  where: '',
  answer: { up: true, version: '' },
  maxClients: REDIS_CLIENTS,
};

/**
 * More workers are not put into one pod by default (a choice): with four of them, three quarters of what sharing can save are
 * saved, and the pod still fits a node of four cores.
 */
const USUAL_WORKERS = 4;

/** PM2 stops ten apps at one time (pm2/lib/API.js, _operate): the preload process and these. More would drain in turns. */
export const MOST_WORKERS_PER_POD = 9;

/** Without fewer pods than this, one that is replaced by hand or with its node is an outage. */
const LEAST_PODS = 2;

/** Kubernetes' default of terminationGracePeriodSeconds, for which the chart (16.0.0) has no key. */
export const GRACE_SECONDS = 30;

/** Seconds for which requests still reach a pod that is to end: every node has to hear of it (a choice). */
export const ENDPOINT_SECONDS = 5;

/** The shortest and the longest time that a pod may have to end: a second for answers, and an hour. */
export const GRACE_BOUNDS = {
  least: ENDPOINT_SECONDS + 1 + SUPERVISOR_END_SECONDS,
  most: 3600,
} as const;

/** One worker: the request is this factor above the measurement, rounded up to whole steps; the limit is a choice. */
const HEADROOM = 1.25;
const STEP = 128 * MIB;
const LIMIT_FACTOR = 2;

/** Several workers: the request has room for each to grow. The limit (a choice) has room for documents, and for growth beyond that. */
const CLUSTER_LIMIT_FACTOR = 3;

/** Any amount that does not cut a plan short, while it is not known how much a pod needs. */
const AMPLE = 2 ** 40;

/** On a busy node, a boot may take this many times as long as measured. */
const BOOT_FACTOR = 6;

/** Seconds between two startup probes. */
export const STARTUP_PERIOD = 2;

/** What a worker asks of the node's CPU, in thousandths of a core (a choice: half of what it can use). */
const CPU_REQUEST = 500;

export type PodDatabase = Extract<DatabaseFacts, { kind: 'postgresql' }>;

/** What the user asks of the pods. */
export interface PodsRequest {
  /** Undefined: as many as hold the workers of the plan. */
  replicas?: number;
  /** Undefined: as many as the machine that is planned for would have, up to a usual number. */
  workersPerPod?: number;
  /** Seconds that Kubernetes gives a pod to end. */
  graceSeconds?: number;
}

export interface Pods extends ContainerSettings {
  /** The plan of the machine that was looked at. */
  plan: Plan;
  replicas: number;
  workersPerPod: number;
  /** The cluster in each pod; undefined: one worker in each, by the image's own server. */
  cluster: Plan | undefined;
  database: PodDatabase;
  graceSeconds: number;
  /** Of one pod: bytes of memory, with their arithmetic, and thousandths of a core. */
  request: number;
  requestReason: string;
  limit: number;
  limitReason: string;
  cpu: number;
  /** Startup probes, one every STARTUP_PERIOD. */
  startupChecks: number;
}

/**
 * Facts and requests → pods. Pure. Throws TuneError for what cannot work: no PostgreSQL, too few connections, too little
 * memory for the workers of a pod.
 */
export function planPods(input: PlanInput, request: PodsRequest = {}): Pods {
  const plan = makePlan(input);
  const database = podDatabase(plan);
  const workersPerPod = request.workersPerPod ?? usualWorkers(plan, input);
  const replicas = request.replicas ?? usualReplicas(plan, workersPerPod);
  requirePossible(plan, { replicas, workersPerPod, database });
  const graceSeconds = request.graceSeconds ?? GRACE_SECONDS;
  const common = {
    ...{ plan, replicas, workersPerPod, database, graceSeconds },
    cpu: workersPerPod * CPU_REQUEST,
    startupChecks: Math.ceil((BOOT_FACTOR * MEASURED.bootSeconds) / STARTUP_PERIOD),
  };
  const settingsFor = (workerLimit: number) =>
    containerSettings(plan, {
      workers: everyWorker(replicas, workersPerPod) - 1,
      workersInEach: workersPerPod,
      database,
      workerLimit,
    });
  if (workersPerPod === 1) {
    const { limit, request } = figuresOfOne(false);
    const settings = settingsFor(limit - request);
    return { ...common, cluster: undefined, ...settings, ...figuresOfOne(embedsLocally(settings.settings)) };
  }
  const { cluster, ...figures } = planCluster(input, { workers: workersPerPod, database, graceSeconds });
  return { ...common, cluster, ...figures, ...settingsFor(cluster.memory.workerLimit) };
}

/** One more pod is counted, because a pod that ends and its successor hold connections at the same time. */
export function everyWorker(replicas: number, workersPerPod: number): number {
  return (replicas + 1) * workersPerPod;
}

function usualWorkers({ bounds }: Plan, { runtime }: PlanInput): number {
  if (runtime === 'uvicorn') return 1;
  const most = [bounds.cores, bounds.memory, bounds.user].filter((bound) => bound !== null);
  return Math.max(1, Math.min(USUAL_WORKERS, ...most));
}

function usualReplicas({ workers }: Plan, workersPerPod: number): number {
  return workersPerPod === 1 ? workers : Math.max(LEAST_PODS, Math.ceil(workers / workersPerPod));
}

/** Memory of a pod whose one worker shares nothing. */
function figuresOfOne(
  localEmbeddings: boolean,
): Pick<Pods, 'request' | 'requestReason' | 'limit' | 'limitReason'> {
  const measured = MEASURED.processBytes + (localEmbeddings ? MEASURED.embeddingBytes : 0);
  const parts = localEmbeddings
    ? `(${formatBytes(MEASURED.processBytes)} + ${formatBytes(MEASURED.embeddingBytes)} for a local embedding model)`
    : formatBytes(measured);
  return {
    request: wholeSteps(measured * HEADROOM),
    requestReason: `${parts} measured × ${HEADROOM}, rounded up to multiples of ${formatBytes(STEP)}`,
    limit: LIMIT_FACTOR * wholeSteps(measured * HEADROOM),
    limitReason: 'Twice the request (a choice)',
  };
}

/** The cluster of a pod is planned as on a machine of the pod's memory, beside services that are elsewhere. */
function planCluster(
  input: PlanInput,
  { workers, database, graceSeconds }: { workers: number; database: PodDatabase; graceSeconds: number },
): Pick<Pods, 'request' | 'requestReason' | 'limit' | 'limitReason'> & { cluster: Plan } {
  if (input.runtime === 'uvicorn') {
    throw new TuneError(
      `--runtime uvicorn has one worker in each pod, and --workers-per-pod asks for ${workers}`,
      EXIT.usage,
      ['leave one of them out'],
    );
  }
  const { memory: requested, ...others } = input;
  const drainSeconds = graceSeconds - ENDPOINT_SECONDS - SUPERVISOR_END_SECONDS;
  const planWith = (bytes: number, source: string) =>
    makePlan({
      ...others,
      machine: {
        ...input.machine,
        platform: 'linux',
        memory: { totalBytes: bytes, availableBytes: bytes, swapBytes: 0, source },
      },
      preset: { ...input.preset, drainSeconds: Math.min(input.preset.drainSeconds, drainSeconds) },
      // Whether it answers from here says nothing about the pods.
      services: { database: { ...database, answer: { up: true, version: '' } }, redis: REDIS },
      workers: { value: workers, from: `--workers-per-pod ${workers}`, source: 'flag' },
      runtime: 'preload',
    });
  const { memory } = planWith(AMPLE, 'ample');
  const each = memory.worker + memory.growth;
  const needed = memory.base + (workers + surge(memory.level)) * each + PM2_DAEMON;
  const documents = askedMemory(input.documentsAtOnce ?? input.preset.documentsAtOnce, memory.level);
  const limit = requested?.value ?? CLUSTER_LIMIT_FACTOR * wholeSteps(needed) + documents;
  const cluster = planWith(limit, requested?.from ?? 'the limit of the pod');
  if (cluster.workers < workers) {
    throw new TuneError(
      `a pod of ${formatBytes(limit)}${requested ? ` (${requested.from})` : ''} holds ` +
        `${plural(cluster.workers, 'worker')}, not ${workers}: they need ${formatBytes(needed + documents)}, and a reserve of ` +
        `${formatBytes(cluster.memory.reserve)} is left free`,
      EXIT.machine,
      [`--workers-per-pod ${cluster.workers}, or more --memory`],
    );
  }
  return {
    cluster,
    request: Math.min(wholeSteps(needed), limit),
    requestReason:
      `${formatBytes(memory.base)} for the ${memory.level} preload, shared + (${workers} + ${surge(memory.level)}) workers × ` +
      `(${formatBytes(memory.worker)} measured + ${formatBytes(memory.growth)} to grow) + ${formatBytes(PM2_DAEMON)} for PM2, ` +
      `rounded up to multiples of ${formatBytes(STEP)}. After the first requests, ${formatBytes(memory.predicted)} are in use`,
    limit,
    limitReason: requested
      ? `From ${requested.from}`
      : `${CLUSTER_LIMIT_FACTOR} times the request (a choice)${documents > 0 ? `, and ${formatBytes(documents)} for documents` : ''}`,
  };
}

function wholeSteps(bytes: number): number {
  return Math.ceil(bytes / STEP) * STEP;
}

/** The pods' database: the PostgreSQL that was asked, with defaults for what it did not say. Throws TuneError for any other. */
function podDatabase({ services: { database } }: Plan): PodDatabase {
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

/** Throws TuneError, with the arithmetic, if this number of workers cannot work. */
function requirePossible(
  plan: Plan,
  { replicas, workersPerPod, database }: Pick<Pods, 'replicas' | 'workersPerPod' | 'database'>,
): void {
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
  const workers = everyWorker(replicas, workersPerPod);
  const inEach = workersPerPod === 1 ? '' : `${workersPerPod} workers × `;
  const podsFor = (most: number) => Math.max(1, Math.floor(most / workersPerPod) - 1);
  const needed = each * workers;
  if (!budget || needed > budget.connections) {
    const most = (workersForConnections(budget, settings, usesPgvector) ?? 0) + 1;
    throw new TuneError(
      `--format helm cannot work: ${replicas} + 1 pods × ${inEach}${each} connections are more than the ` +
        `${budget?.connections ?? 0} that PostgreSQL has for Open WebUI (${budget?.reason ?? 'unknown'}). One more pod is ` +
        'counted, because a pod that ends holds its connections for a while',
      EXIT.settings,
      [
        `max_connections = ${maxConnectionsFor(needed, database, budget?.connections)} in PostgreSQL`,
        `or --replicas ${podsFor(most)}${settings.has('DATABASE_POOL_SIZE') ? ', or a smaller DATABASE_POOL_SIZE' : ''}`,
      ],
    );
  }
  const redis = (workersForRedis(REDIS) ?? Number.POSITIVE_INFINITY) + 1;
  if (workers > redis) {
    throw new TuneError(
      `--format helm cannot work: one Redis accepts the connections of ${podsFor(redis)} pods, not of ${replicas} ` +
        `(${REDIS_CLIENTS} clients, ${inEach}${REDIS_CONNECTIONS} for each pod, and one more pod is counted)`,
      EXIT.settings,
      [`--replicas ${podsFor(redis)}; docs/scaling.md says what comes after one Redis`],
    );
  }
}

/** The max_connections that would be needed, rounded up to whole hundreds. */
function maxConnectionsFor(needed: number, database: DatabaseFacts, had = 0): number {
  const now = database.kind === 'postgresql' ? (database.maxConnections ?? 0) : 0;
  return Math.ceil((now + needed - had) / 100) * 100;
}
