import * as z from 'zod';
import type { MachineFacts } from '../base/machine/facts.ts';
import { BROKERS } from '../facts/services/broker-kind.ts';
import { type EmbeddedService, type ServiceFacts, SOURCES } from '../facts/types.ts';
import { RUNTIMES } from '../runtime/contract.ts';
import { optionsWith, schemasOf } from './options.ts';
import { PlacesSchema } from './places.ts';

/*
 * What `webui-tune --json` prints, for programs that read it. Sizes are in bytes. If something is unknown or unlimited, a
 * bound is null and a fact is missing. Keys are added over time; none is removed.
 */

const bytes = z.int().nonnegative();
const Source = z.enum(SOURCES);
export const LIMITS = ['cores', 'memory', 'database', 'services', 'user'] as const;
const LimitedBy = z.enum(LIMITS);
const Answer = z.union([
  z.object({ up: z.literal(true), version: z.string() }),
  z.object({ up: z.literal(false), reason: z.string() }),
]);

const Sourced = z.object({ value: z.number(), source: z.string() });
const Surrounding = z.object({ name: z.string(), source: z.string() });

const Machine = z.object({
  platform: z.string().describe("Node's process.platform"),
  architecture: z.string().describe("in the words of Node's process.arch"),
  architectureSource: z.string().exactOptional(),
  cpu: z.object({
    physicalCores: z.int().positive().describe('cores that may be used; two hyper-threads are one'),
    logicalCpus: z.int().positive().describe('logical CPUs that may be used'),
    machineCpus: z.int().positive().describe('logical CPUs of the machine'),
    source: z.string(),
    kinds: z
      .object({ performance: z.int(), efficiency: z.int(), source: z.string() })
      .exactOptional()
      .describe('fast and frugal cores among the physical ones; missing if all are alike'),
    allowed: z
      .object({ cpus: z.int(), source: z.string() })
      .exactOptional()
      .describe('what allows fewer CPUs than the machine has; missing: nothing does'),
    quota: z.object({ cores: z.number().positive(), source: z.string() }).exactOptional(),
  }),
  memory: z.object({
    totalBytes: bytes,
    availableBytes: bytes.describe(
      'free for new processes, in the machine and in the limit of every cgroup around us',
    ),
    swapBytes: bytes,
    swapFreeBytes: bytes.exactOptional(),
    source: z.string(),
    limit: z.object({ bytes, usedBytes: bytes.exactOptional(), source: z.string() }).exactOptional(),
    ownBytes: bytes.exactOptional().describe('held by a running cluster of this installation'),
  }),
  container: Surrounding.exactOptional(),
  vm: Surrounding.exactOptional(),
  openFiles: Sourced.exactOptional().describe('hard limit of a process'),
  somaxconn: Sourced.exactOptional().describe('connections that may wait on one socket'),
  notes: z.array(z.string()),
});

const Stored = z
  .record(z.string(), z.string())
  .exactOptional()
  .describe('settings in Open WebUI’s config table');

const Services = z.object({
  database: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('unknown') }),
    z.object({ kind: z.literal('sqlite'), stored: Stored }),
    z.object({ kind: z.literal('other'), scheme: z.string() }),
    z.object({
      kind: z.literal('postgresql'),
      where: z.string(),
      answer: Answer,
      vector: z.enum(['installed', 'creatable', 'superuser-only', 'missing']).exactOptional(),
      maxConnections: z.int().exactOptional(),
      reservedConnections: z.int().exactOptional(),
      otherConnections: z.int().exactOptional(),
      connectionLimit: z.int().exactOptional(),
      sharedBuffers: bytes.exactOptional(),
      size: bytes.exactOptional(),
      stored: Stored,
    }),
  ]),
  redis: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('unknown') }),
    z.object({ kind: z.literal('none'), found: z.string().exactOptional() }),
    z.object({
      kind: z.literal('redis'),
      where: z.string(),
      answer: Answer,
      broker: z.enum(BROKERS).exactOptional().describe('what the server calls itself'),
      isCluster: z.boolean().exactOptional(),
      maxClients: z.int().exactOptional(),
      clients: z.int().exactOptional(),
      usedMemory: bytes.exactOptional(),
      maxMemory: bytes.exactOptional(),
      sentinel: z
        .object({
          master: z.string(),
          sentinels: z.int(),
          quorum: z.int(),
          replicas: z.int(),
          downAfterMs: z.number(),
          unreachable: z.array(z.string()).readonly(),
        })
        .exactOptional()
        .describe('what the sentinels know of the master'),
    }),
  ]),
  chroma: z.object({ where: z.string(), answer: Answer }).exactOptional(),
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
    .exactOptional()
    .describe('services on this machine, for which memory and cores are set aside'),
});

const Memory = z.object({
  budget: bytes.describe('bytes that the whole tree may use'),
  from: z.object({ bytes, source: z.string() }).describe('what the budget was cut from'),
  reserve: bytes.describe('bytes kept free'),
  services: bytes.describe('bytes of the budget set aside for services on the same machine'),
  /**
   * The parts of Open WebUI that the preload process has imported when it forks; `full` and `lean` are both level `app`.
   * `uvicorn`: there is no preload process, and each worker and their parent import everything.
   */
  level: z.enum(['full', 'lean', 'libraries', 'none', 'uvicorn']),
  levelReason: z.string(),
  embedsLocally: z
    .boolean()
    .describe('a local model embeds documents; workers share it only at the level full'),
  base: bytes.describe('bytes of the preload process, shared by all workers'),
  worker: bytes.describe('bytes of each additional worker, with its supervisor'),
  supervisor: bytes.describe('bytes of those that are the supervisor’s'),
  source: z.string().describe('where base and worker come from'),
  measuredAt: z
    .string()
    .exactOptional()
    .describe('when they were measured or observed on this machine; missing: built-in figures'),
  conditions: z.string().exactOptional().describe('digest of the settings that the figures hold for'),
  growth: bytes.describe('bytes that a worker may grow by'),
  predicted: bytes.describe('bytes of the tree after its first requests'),
  workerLimit: bytes.describe('bytes of private memory at which a worker is replaced'),
});

const Recommendation = z.object({
  /** A setting's name, or a dotted name such as `memory.budget`. */
  key: z.string(),
  value: z.union([z.string(), z.number()]),
  reason: z.string(),
  source: Source,
  limitedBy: LimitedBy.exactOptional(),
});

/** A setting of Open WebUI as the preload process will see it. */
const PlannedSetting = z.object({
  key: z.string(),
  value: z.string().exactOptional().describe('missing for a secret'),
  secret: z.boolean(),
  source: Source,
  reason: z.string(),
  rendered: z
    .boolean()
    .describe('whether the ecosystem file holds it; the others are read from their own file'),
});

const Embedded = z.object({
  name: z.string(),
  program: z.string(),
  args: z.array(z.string()),
  cwd: z.string(),
  account: z.object({ user: z.string(), group: z.string() }).exactOptional(),
  schedule: z.string().exactOptional(),
});

const workersOrNull = z.int().nonnegative().nullable();
const Bounds = z.object(
  Object.fromEntries(LIMITS.map((limit) => [limit, workersOrNull])) as Record<
    (typeof LIMITS)[number],
    typeof workersOrNull
  >,
);

/** The JSON of a plan; the types of a plan are inferred from it (types.ts). */
export const PlanSchema = z.object({
  workers: z.int().positive().describe('the most, where their number follows the load'),
  leastWorkers: z
    .int()
    .positive()
    .exactOptional()
    .describe('the least that run; missing: their number is always the same'),
  limitedBy: LimitedBy.describe('the bound that limits the number of workers'),
  bounds: Bounds.describe('workers that each bound allows; null: no bound, or unknown'),
  machine: Machine as z.ZodType<MachineFacts>,
  memory: Memory,
  services: Services as z.ZodType<ServiceFacts>,
  openWebui: z.object({
    version: z.string(),
    python: z.string(),
    torch: z.string().exactOptional().describe('version with its build; missing: unknown'),
  }),
  preset: z.string(),
  host: z.string(),
  port: z.int(),
  runtime: z.enum(RUNTIMES),
  ...schemasOf(optionsWith('inPresets')),
  documents: z
    .object({
      atOnce: z.int().nonnegative().describe('at most so many; 0: the workers process them'),
      memoryLimit: bytes.describe('bytes that a document may take beside what its process shares'),
    })
    .describe('documents that are processed beside the workers'),
  drainSeconds: z.int(),
  hangSeconds: z.int(),
  metricsPort: z
    .int()
    .exactOptional()
    .describe('port on 127.0.0.1 of the app that serves metrics; missing: no such app'),
  places: PlacesSchema,
  embedded: (z.array(Embedded) as z.ZodType<readonly EmbeddedService[]>)
    .exactOptional()
    .describe('services that run as apps of the ecosystem file'),
  settings: z.array(PlannedSetting),
  recommendations: z.array(Recommendation).describe('every number with its reason, as --explain tells it'),
  warnings: z.array(z.string()),
});

/** Lower rooms define the types of what they read. If the schema lacks one of their keys, the compiler reports it here. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
type SameKeys<T, U> = Same<keyof T, keyof U>;
type MachineJson = z.infer<typeof Machine>;
export const SCHEMA_IS_COMPLETE: [
  SameKeys<MachineFacts, MachineJson>,
  SameKeys<MachineFacts['cpu'], MachineJson['cpu']>,
  SameKeys<MachineFacts['memory'], MachineJson['memory']>,
  SameKeys<ServiceFacts, z.infer<typeof Services>>,
  SameKeys<EmbeddedService, z.infer<typeof Embedded>>,
] = [true, true, true, true, true];
