import * as z from 'zod';
import { BROKERS } from '../facts/services/broker-kind.ts';
import { SOURCES } from '../facts/types.ts';
import { PRELOAD_CHOICES, RUNTIMES } from '../runtime/contract.ts';
import { LIMITS, type Plan } from './types.ts';

/*
 * What `webui-tune --json` prints, for programs that read it. Bytes are bytes and counts are counts; where something is
 * unknown or unlimited, a bound is null and a fact is missing. Keys are added over time, none is taken away.
 */

const bytes = z.int().nonnegative();
const Source = z.enum(SOURCES);
const Answer = z.union([
  z.object({ up: z.literal(true), version: z.string() }),
  z.object({ up: z.literal(false), reason: z.string() }),
]);

const Sourced = z.object({ value: z.number(), source: z.string() });
const Surrounding = z.object({ name: z.string(), source: z.string() });

const Machine = z.object({
  platform: z.string().describe("Node's process.platform"),
  architecture: z.string().describe("in the words of Node's process.arch"),
  architectureSource: z.string().optional(),
  cpu: z.object({
    physicalCores: z.int().positive().describe('cores that may be used; two hyper-threads are one'),
    logicalCpus: z.int().positive().describe('logical CPUs that may be used'),
    machineCpus: z.int().positive().describe('logical CPUs of the machine'),
    source: z.string(),
    kinds: z
      .object({ performance: z.int(), efficiency: z.int(), source: z.string() })
      .optional()
      .describe('fast and frugal cores among the physical ones; missing where all are alike'),
    allowed: z
      .object({ cpus: z.int(), source: z.string() })
      .optional()
      .describe('what leaves us fewer CPUs than the machine has'),
    quota: z.object({ cores: z.number().positive(), source: z.string() }).optional(),
  }),
  memory: z.object({
    totalBytes: bytes,
    availableBytes: bytes.describe('free for new processes, in the machine and in every limit around us'),
    swapBytes: bytes,
    swapFreeBytes: bytes.optional(),
    source: z.string(),
    limit: z.object({ bytes, usedBytes: bytes.optional(), source: z.string() }).optional(),
    ownBytes: bytes.optional().describe('held by a running cluster of this installation'),
  }),
  container: Surrounding.optional(),
  vm: Surrounding.optional(),
  openFiles: Sourced.optional().describe('hard limit of a process'),
  somaxconn: Sourced.optional().describe('connections that may wait on one socket'),
  notes: z.array(z.string()),
});

const Stored = z.record(z.string(), z.string()).optional().describe('settings in Open WebUI’s config table');

const Services = z.object({
  database: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('unknown') }),
    z.object({ kind: z.literal('sqlite'), stored: Stored }),
    z.object({ kind: z.literal('other'), scheme: z.string() }),
    z.object({
      kind: z.literal('postgresql'),
      where: z.string(),
      answer: Answer,
      vector: z.enum(['installed', 'creatable', 'superuser-only', 'missing']).optional(),
      maxConnections: z.int().optional(),
      reservedConnections: z.int().optional(),
      otherConnections: z.int().optional(),
      connectionLimit: z.int().optional(),
      sharedBuffers: bytes.optional(),
      size: bytes.optional(),
      stored: Stored,
    }),
  ]),
  redis: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('unknown') }),
    z.object({ kind: z.literal('none'), found: z.string().optional() }),
    z.object({
      kind: z.literal('redis'),
      where: z.string(),
      answer: Answer,
      broker: z.enum(BROKERS).optional().describe('what the server says that it is'),
      isCluster: z.boolean().optional(),
      maxClients: z.int().optional(),
      clients: z.int().optional(),
      usedMemory: bytes.optional(),
      maxMemory: bytes.optional(),
      sentinel: z
        .object({
          master: z.string(),
          sentinels: z.int(),
          quorum: z.int(),
          replicas: z.int(),
          downAfterMs: z.number(),
          unreachable: z.array(z.string()).readonly(),
        })
        .optional()
        .describe('what the sentinels know of the master'),
    }),
  ]),
  chroma: z.object({ where: z.string(), answer: Answer }).optional(),
  colocated: z
    .array(
      z.object({
        name: z.enum(['PostgreSQL', 'Redis', 'Chroma', 'Ollama', 'metrics']),
        where: z.string(),
        bytes,
        reason: z.string(),
        cpuShare: z.number(),
      }),
    )
    .optional()
    .describe('services on this machine, for which memory and cores are set aside'),
});

const Memory = z.object({
  budget: bytes.describe('bytes that the whole tree may use'),
  from: z.object({ bytes, source: z.string() }).describe('what the budget was cut from'),
  reserve: bytes.describe('bytes kept free'),
  services: bytes.describe('bytes of the budget set aside for services on the same machine'),
  level: z.enum(['full', 'lean', 'libraries', 'none', 'uvicorn']),
  levelReason: z.string(),
  embedsLocally: z
    .boolean()
    .describe('documents are embedded by a local model, which workers share at the level full alone'),
  base: bytes.describe('bytes of the preload process, shared by all workers'),
  worker: bytes.describe('bytes that one more worker adds, its supervisor included'),
  supervisor: bytes.describe('bytes of those that are the supervisor’s'),
  source: z.string().describe('where base and worker come from'),
  measuredAt: z
    .string()
    .optional()
    .describe('when they were measured or observed on this machine; missing: built-in ones'),
  conditions: z.string().optional().describe('digest of the settings that the figures hold for'),
  growth: bytes.describe('bytes that a worker may grow by'),
  predicted: bytes.describe('bytes of the tree after its first requests'),
  workerLimit: bytes.describe('bytes of private memory at which a worker is replaced'),
});

const workersOrNull = z.int().nonnegative().nullable();
const Bounds = z.object(
  Object.fromEntries(LIMITS.map((limit) => [limit, workersOrNull])) as Record<
    (typeof LIMITS)[number],
    typeof workersOrNull
  >,
);

/** The JSON of a plan. */
export const PlanSchema = z.object({
  workers: z.int().positive(),
  limitedBy: z.enum(LIMITS).describe('what holds the number of workers where it is'),
  bounds: Bounds.describe('workers that each bound allows; null where there is none or nobody knows'),
  machine: Machine,
  memory: Memory,
  services: Services,
  openWebui: z.object({
    version: z.string(),
    python: z.string(),
    torch: z.string().optional().describe('its version with its build; missing: not known'),
  }),
  preset: z.string(),
  host: z.string(),
  port: z.int(),
  runtime: z.enum(RUNTIMES),
  preload: z.enum(PRELOAD_CHOICES),
  staticCache: z.boolean().describe('whether workers answer the page’s hashed files ahead of the app'),
  shortcuts: z.boolean().describe('whether workers spare round trips and work that change no answer'),
  drainSeconds: z.int(),
  hangSeconds: z.int(),
  metricsPort: z
    .int()
    .optional()
    .describe('port on 127.0.0.1 of the app that serves metrics; missing: there is none'),
  places: z.object({
    python: z.string(),
    runtime: z.string(),
    dataDir: z.string(),
    controlSocket: z.string(),
    secretsFile: z.string(),
    staticCache: z.string(),
    envFile: z.string().optional(),
  }),
  embedded: z
    .array(
      z.object({
        name: z.string(),
        program: z.string(),
        args: z.array(z.string()),
        cwd: z.string(),
        account: z.object({ user: z.string(), group: z.string() }).optional(),
        schedule: z.string().optional(),
      }),
    )
    .optional()
    .describe('services that run as apps of the ecosystem file'),
  settings: z.array(
    z.object({
      key: z.string(),
      value: z.string().optional().describe('missing for a secret'),
      secret: z.boolean(),
      source: Source,
      reason: z.string(),
      rendered: z.boolean().describe('in the ecosystem file; the others are read from their file'),
    }),
  ),
  recommendations: z
    .array(
      z.object({
        key: z.string(),
        value: z.union([z.string(), z.number()]),
        reason: z.string(),
        source: Source,
        limitedBy: z.enum(LIMITS).optional(),
      }),
    )
    .describe('every number with its reason, as --explain tells it'),
  warnings: z.array(z.string()),
});

/** The schema and the type say the same: what one lacks, the compiler finds here. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
type Keys<T, U> = Same<keyof T, keyof U>;
type Json = z.infer<typeof PlanSchema>;
export const SCHEMA_IS_COMPLETE: [
  Keys<Plan, Json>,
  Keys<Plan['machine']['cpu'], Json['machine']['cpu']>,
  Keys<Plan['machine']['memory'], Json['machine']['memory']>,
  Keys<Plan['machine'], Json['machine']>,
  Keys<Plan['memory'], Json['memory']>,
  Keys<Plan['services'], Json['services']>,
] = [true, true, true, true, true, true];
