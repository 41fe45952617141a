import type { MachineFacts } from '../base/machine/facts.ts';
import type { EmbeddedService, ServiceFacts, Source } from '../facts/types.ts';
import type { PreloadChoice, RuntimeChoice } from '../runtime/contract.ts';

/* What the machine has: read by machine/, never guessed. */
/* What Open WebUI needs around it: asked by services/, with a short timeout. */
/* The user's own settings. */
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
