import type { PreloadChoice } from './runtime/contract.ts';
import type { BrokerName } from './services/broker-kind.ts';

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/* What the machine has: read by machine/, never guessed. */

export interface MemoryLimit {
  bytes: number;
  /** What the group uses now, without the file cache that the kernel can drop; undefined where unknown. */
  usedBytes?: number;
  /** The kernel's file that says so. */
  source: string;
}

export interface CpuQuota {
  /** CPUs a period, such as 1.5. */
  cores: number;
  source: string;
}

export interface CoreKinds {
  performance: number;
  efficiency: number;
  source: string;
}

/** What is known of a fact by one number, and the kernel's file that says so. */
export interface Sourced {
  value: number;
  source: string;
}

/** A container or a virtual machine around us, by the name of its technology. */
export interface Surrounding {
  name: string;
  source: string;
}

export interface CpuFacts {
  /** Cores that this process may use; two hyper-threads are one core. */
  physicalCores: number;
  /** Logical CPUs that this process may use. */
  logicalCpus: number;
  /** Logical CPUs of the machine. */
  machineCpus: number;
  source: string;
  /** How many of the physical cores are fast and how many are frugal; undefined: all alike, or nobody says. */
  kinds?: CoreKinds;
  /** What leaves us fewer CPUs than the machine has: affinity or a cpuset. Undefined: nothing. */
  allowed?: { cpus: number; source: string };
  /** Undefined: no limit. */
  quota?: CpuQuota;
}

export interface MemoryFacts {
  totalBytes: number;
  /** What new processes can take without swapping, in the machine and in every limit around us. */
  availableBytes: number;
  swapBytes: number;
  /** Undefined where nobody says. */
  swapFreeBytes?: number;
  source: string;
  /** The tightest limit around us; undefined: none. */
  limit?: MemoryLimit;
  /** What a running cluster of this installation holds now: a new plan may count on it again. */
  ownBytes?: number;
}

export interface MachineFacts {
  /** Node's `process.platform`. */
  platform: string;
  /** In the words of Node's `process.arch`; `unknown` where another machine's files do not say. */
  architecture: string;
  architectureSource?: string;
  cpu: CpuFacts;
  memory: MemoryFacts;
  /** Undefined: none that can be seen from inside. */
  container?: Surrounding;
  vm?: Surrounding;
  /** Files and sockets that a process may have open; the hard limit, as far as it may raise its own. */
  openFiles?: Sourced;
  /** Connections that may wait to be accepted on one socket. */
  somaxconn?: Sourced;
  /** What could not be read, and what was assumed instead. */
  notes: string[];
}

/* What Open WebUI needs around it: asked by services/, with a short timeout. */

export type Reachability = { up: true; version: string } | { up: false; reason: string };

export type VectorExtension = 'installed' | 'creatable' | 'superuser-only' | 'missing';

export type DatabaseFacts =
  /** Nobody has asked: the plan is for another machine. */
  | { kind: 'unknown' }
  | { kind: 'sqlite' /** As below. */; stored?: Readonly<Record<string, string>> }
  | { kind: 'other'; scheme: string }
  | {
      kind: 'postgresql';
      /** Host, port and database name; never the user or password. */
      where: string;
      answer: Reachability;
      /** The pgvector extension in that database; undefined where it could not be asked. */
      vector?: VectorExtension;
      maxConnections?: number;
      /** Of those, kept for superusers (and, since PostgreSQL 16, for roles that may use the reserve). */
      reservedConnections?: number;
      /** In use now by anybody else: other databases, or other users of this one. */
      otherConnections?: number;
      /** CONNECTION LIMIT of the role or of the database, whichever is smaller; undefined: none. */
      connectionLimit?: number;
      /** Bytes. */
      sharedBuffers?: number;
      /** Bytes of this database. */
      size?: number;
      /** What Open WebUI's `config` table holds of the settings that plan/persisted.ts names, by key. */
      stored?: Readonly<Record<string, string>>;
    };

export type RedisFacts =
  | { kind: 'unknown' }
  | { kind: 'none' /** Address of a Redis that answers without being configured. */; found?: string }
  | {
      kind: 'redis';
      where: string;
      answer: Reachability;
      /** What it is, by its own word; undefined: it does not say. */
      broker?: BrokerName;
      /** It is a node of a cluster. */
      isCluster?: boolean;
      maxClients?: number;
      /** Connected now, and ours among them where a cluster runs. */
      clients?: number;
      /** Bytes. */
      usedMemory?: number;
      /** Bytes; 0: no limit. */
      maxMemory?: number;
      /** The sentinels that named this server; undefined: none are configured, or none answered. */
      sentinel?: SentinelFacts;
    };

/** What the first sentinel that answered knows of the master. */
export interface SentinelFacts {
  master: string;
  /** Sentinels that watch the master, and how many must agree that it is dead. */
  sentinels: number;
  quorum: number;
  replicas: number;
  /** Milliseconds of silence until a sentinel takes the master for dead. */
  downAfterMs: number;
  /** Those of the configured ones that did not answer, with the reason. */
  unreachable: readonly string[];
}

/** A service on this machine, for which memory and a share of the cores are set aside. */
export interface Colocated {
  name: 'PostgreSQL' | 'Redis' | 'Chroma' | 'Ollama' | 'metrics';
  where: string;
  /** Bytes that it may still take; what it holds already is not free. */
  bytes: number;
  reason: string;
  /** Share of all cores, from 0 to 1. */
  cpuShare: number;
}

export interface ServiceFacts {
  database: DatabaseFacts;
  redis: RedisFacts;
  /** A Chroma server, where one is configured. */
  chroma?: { where: string; answer: Reachability };
  /** Those that answered at a loopback address or a UNIX socket. */
  colocated?: readonly Colocated[];
}

/* The user's own settings. */

/** Where a value comes from; the first of these that has one wins. */
export const SOURCES = ['flag', 'environment', 'env file', 'secrets file', 'preset', 'computed'] as const;
export type Source = (typeof SOURCES)[number];

/** A setting of Open WebUI that the user, or a preset, has given. */
export interface Setting {
  value: string;
  source: Exclude<Source, 'flag' | 'computed'>;
  /** Its value may be shown to nobody: not in the file, the report or an error. */
  secret: boolean;
}

export type Settings = ReadonlyMap<string, Setting>;

/* A preset: knowledge as data, checked by presets.ts. */

export const COMPRESSIONS = ['app', 'proxy'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

export interface Preset {
  name: string;
  description: string;
  workers: {
    /** Workers for each physical core. */
    perCore: number;
    /** Never more than this, however large the machine is; undefined: no such bound. */
    max?: number;
  };
  memory: {
    /** Share of the memory at hand that stays free, within the two bounds below (bytes). */
    reserveShare: number;
    reserveMin: number;
    reserveMax: number;
    /** Bytes that a worker may grow by over what it takes after its first requests. */
    growth: number;
    /** Largest limit at which a worker is replaced (bytes of private memory). */
    workerLimit: number;
  };
  /** Seconds that a draining worker may take to finish its answers. */
  drainSeconds: number;
  /** Seconds that a worker's event loop may stand still before it is replaced; 0: it is not watched. */
  hangSeconds: number;
  preload: PreloadChoice;
  /** Whether workers answer the page's hashed files ahead of the app. */
  staticCache: boolean;
  /** Whether workers spare round trips and work that change no answer. */
  shortcuts: boolean;
  /** Who compresses answers: the workers, or a reverse proxy in front that is known to do it. */
  compression: Compression;
  /** Settings of Open WebUI, by name. */
  settings: Record<string, string>;
}

/* The plan. */

export const LIMITS = ['cores', 'memory', 'database', 'services', 'user'] as const;
/** What holds the number of workers where it is; `user` is a flag, a variable or the chosen preset. */
export type LimitedBy = (typeof LIMITS)[number];

/** One decision, with its cause. */
export interface Recommendation {
  /** A setting's name, or a dotted name such as `memory.budget`. */
  key: string;
  value: string | number;
  reason: string;
  source: Source;
  limitedBy?: LimitedBy;
}

/** A setting of Open WebUI as the preload process will see it. */
export interface PlannedSetting {
  key: string;
  /** Undefined for a secret. */
  value?: string;
  secret: boolean;
  source: Source;
  reason: string;
  /** Written into the ecosystem file; the others are read from their file at every start. */
  rendered: boolean;
}

/**
 * What of Open WebUI the preload process has imported when it forks; `full` and `lean` are both level `app`. `uvicorn`:
 * there is none, each worker and their parent import all of it.
 */
export type PreloadLevel = 'full' | 'lean' | 'libraries' | 'none' | 'uvicorn';

/** How workers come about: forked from the preload process, or spawned by Open WebUI's own server. */
export const RUNTIMES = ['preload', 'uvicorn'] as const;
export type RuntimeChoice = (typeof RUNTIMES)[number];

export interface MemoryPlan {
  /** Bytes that the whole tree may use. */
  budget: number;
  /** Where the budget was cut from: the smallest of what the user gave, the limit and what is available. */
  from: { bytes: number; source: string };
  /** Bytes kept free. */
  reserve: number;
  /** Bytes of the budget that are set aside for services on the same machine. */
  services: number;
  level: PreloadLevel;
  levelReason: string;
  /** Whether documents are embedded by a local model, which workers share at the level `full` and else load for themselves. */
  embedsLocally: boolean;
  /** Bytes of the preload process, shared by all workers. */
  base: number;
  /** Bytes that one more worker adds, its supervisor included. */
  worker: number;
  /** Bytes of those that are the supervisor's. */
  supervisor: number;
  /** Where `base` and `worker` come from, for people. */
  source: string;
  /** When they were measured or observed on this machine (ISO 8601); undefined: they are the built-in ones. */
  measuredAt?: string;
  /** Digest of the settings that they hold for; undefined: what the tree takes is not to be kept for a next plan. */
  conditions?: string;
  /** Bytes a worker may grow by. */
  growth: number;
  /** Bytes of the tree after its first requests. */
  predicted: number;
  /** Bytes of private memory at which a worker is replaced. */
  workerLimit: number;
}

/** Workers that each bound allows; null where there is none. */
export type Bounds = Record<LimitedBy, number | null>;

/** A service that comes from a package and runs as an app of the ecosystem file itself. */
export interface EmbeddedService {
  /** Of the PM2 app. */
  name: string;
  /** Absolute path. */
  program: string;
  args: readonly string[];
  cwd: string;
  /** As root: the ordinary account that it runs as. */
  account?: { user: string; group: string } | undefined;
  /** A Node program that runs at these times (crontab(5)) and ends; undefined: a server. */
  schedule?: string | undefined;
}

/** Where the pieces are; every path is absolute. */
export interface Places {
  /** Interpreter that Open WebUI is installed for. */
  python: string;
  /** Folder of the runtime files (contract.ts, RUNTIME_FILES). */
  runtime: string;
  dataDir: string;
  controlSocket: string;
  secretsFile: string;
  /** Folder of the compressed static files; shared by all installations of the user. */
  staticCache: string;
  /** The user's env file; undefined: none. */
  envFile?: string;
}

export interface Plan {
  workers: number;
  limitedBy: LimitedBy;
  bounds: Bounds;
  machine: MachineFacts;
  memory: MemoryPlan;
  services: ServiceFacts;
  /** `torch`: its version with its build, such as `2.13.0+cpu`; undefined: nobody knows. */
  openWebui: { version: string; python: string; torch?: string };
  preset: string;
  host: string;
  port: number;
  runtime: RuntimeChoice;
  preload: PreloadChoice;
  staticCache: boolean;
  shortcuts: boolean;
  drainSeconds: number;
  hangSeconds: number;
  /** Port on 127.0.0.1 of the app that serves metrics; undefined: there is none. */
  metricsPort?: number;
  places: Places;
  settings: PlannedSetting[];
  /** Services that are started before Open WebUI; undefined: none. */
  embedded?: readonly EmbeddedService[];
  /** Every number with its reason, in the order of the report. */
  recommendations: Recommendation[];
  warnings: string[];
}
