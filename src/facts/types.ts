/* What the machine has: read by machine/, never guessed. */
/* What Open WebUI needs around it: asked by services/, with a short timeout. */
import type { BrokerName } from './services/broker-kind.ts';
export type Reachability = { up: true; version: string } | { up: false; reason: string };

/* What the machine has: read by machine/, never guessed. */
/* What Open WebUI needs around it: asked by services/, with a short timeout. */
export type VectorExtension = 'installed' | 'creatable' | 'superuser-only' | 'missing';

/* What the machine has: read by machine/, never guessed. */
/* What Open WebUI needs around it: asked by services/, with a short timeout. */
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

/* What the machine has: read by machine/, never guessed. */
/* What Open WebUI needs around it: asked by services/, with a short timeout. */
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

/* What the machine has: read by machine/, never guessed. */
/* What Open WebUI needs around it: asked by services/, with a short timeout. */

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

/* What the machine has: read by machine/, never guessed. */
/* What Open WebUI needs around it: asked by services/, with a short timeout. */

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

/* What the machine has: read by machine/, never guessed. */
/* What Open WebUI needs around it: asked by services/, with a short timeout. */

export interface ServiceFacts {
  database: DatabaseFacts;
  redis: RedisFacts;
  /** A Chroma server, where one is configured. */
  chroma?: { where: string; answer: Reachability };
  /** Those that answered at a loopback address or a UNIX socket. */
  colocated?: readonly Colocated[];
}

/* What the machine has: read by machine/, never guessed. */
/* What Open WebUI needs around it: asked by services/, with a short timeout. */
/* The user's own settings. */

/** Where a value comes from; the first of these that has one wins. */
export const SOURCES = ['flag', 'environment', 'env file', 'secrets file', 'preset', 'computed'] as const;

/* What the machine has: read by machine/, never guessed. */
/* What Open WebUI needs around it: asked by services/, with a short timeout. */
/* The user's own settings. */
export type Source = (typeof SOURCES)[number];

/* What the machine has: read by machine/, never guessed. */
/* What Open WebUI needs around it: asked by services/, with a short timeout. */
/* The user's own settings. */

/** A setting of Open WebUI that the user, or a preset, has given. */
export interface Setting {
  value: string;
  source: Exclude<Source, 'flag' | 'computed'>;
  /** Its value may be shown to nobody: not in the file, the report or an error. */
  secret: boolean;
}

/* What the machine has: read by machine/, never guessed. */
/* What Open WebUI needs around it: asked by services/, with a short timeout. */
/* The user's own settings. */
export type Settings = ReadonlyMap<string, Setting>;

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
