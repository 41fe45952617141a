import { isLoopback } from '../base/io/address.ts';
import type { DatabaseFacts, ServiceFacts, Settings } from '../facts/types.ts';
import { type Requirement, usesPgvector } from './services.ts';
import { SETTINGS_GROUPS } from './settings/index.ts';
import type { Plan } from './types.ts';

/** A setting of Open WebUI for a container; a secret has no value here, only a name. */
export interface ContainerSetting {
  key: string;
  value?: string;
  reason: string;
}

export interface ContainerSettings {
  settings: ContainerSetting[];
  /** Names of settings that are left out because their value is an address of this machine, which a container cannot reach. */
  local: string[];
}

/** What the containers are planned with, instead of this machine's figures. */
export interface ContainerContext {
  /** Workers in all containers together. */
  workers: number;
  workersInEach: number;
  database: DatabaseFacts;
  /** Bytes of private memory that a worker may take. */
  workerLimit: number;
}

/** Settings of one machine, one process or one start: the container's file sets these itself. */
const OWN =
  /^(?:DATA_DIR|STATIC_DIR|HOST|PORT|PYTHONUNBUFFERED|DATABASE_(?:URL|TYPE|USER|PASSWORD|HOST|PORT|NAME))$/;

/** Folders of this machine's models: a container has others. */
const MODEL_FOLDERS = /^(?:HF_HOME|HF_HUB_CACHE|HUGGINGFACE_HUB_CACHE|SENTENCE_TRANSFORMERS_HOME)$/;

/** The reason for VECTOR_DB: the file may be used with a database other than the one that was asked. */
const VECTORS =
  'all workers share that PostgreSQL; if its user may not add the extension, as a superuser: CREATE EXTENSION vector';

const REDIS = /^(?:WEBSOCKET_)?REDIS_URL$/;

/**
 * Open WebUI's settings for several containers with PostgreSQL and Redis, sorted by name: the user's own, then what the
 * groups of settings recommend for this number of workers. Pure.
 */
export function containerSettings(plan: Plan, context: ContainerContext): ContainerSettings {
  const given = plan.settings.filter(
    ({ source, key }) =>
      source !== 'computed' &&
      !OWN.test(key) &&
      !REDIS.test(key) &&
      !(source === 'environment' && MODEL_FOLDERS.test(key)),
  );
  const isLocal = ({ value }: { value?: string }) => value !== undefined && namesThisMachine(value);
  const settings = new Map<string, ContainerSetting>();
  for (const { key, value, reason } of given.filter((setting) => !isLocal(setting))) {
    settings.set(key, { key, ...(value !== undefined && { value }), reason });
  }
  const requirement = containerRequirement(plan, context.database);
  const uvicornWorkers = plan.runtime === 'uvicorn' ? context.workersInEach : 0;
  // What a preset says of the proxy also holds for an Ingress, which compresses nothing unless it is configured to.
  const said = plan.recommendations.find(({ key, source }) => key === 'compression' && source === 'preset');
  const compression = said?.value === 'proxy' ? 'proxy' : 'app';
  for (const { key, value, reason } of SETTINGS_GROUPS.flatMap((group) =>
    group.recommend({ ...requirement, ...context, uvicornWorkers, compression }),
  )) {
    if (!settings.has(key)) settings.set(key, { key, value, reason: key === 'VECTOR_DB' ? VECTORS : reason });
  }
  return {
    settings: [...settings.values()].sort((a, b) => (a.key < b.key ? -1 : 1)),
    local: given.filter(isLocal).map(({ key }) => key),
  };
}

/** The user's settings, with a database that all containers share. */
export function containerRequirement(plan: Plan, database: DatabaseFacts): Requirement {
  const settings: Settings = new Map(
    plan.settings.flatMap(({ key, value = '', secret, source }) =>
      source === 'computed' || source === 'flag' ? [] : [[key, { value, secret, source }] as const],
    ),
  );
  const services: ServiceFacts = { database, redis: { kind: 'unknown' } };
  return { settings, services, hasLocalVectors: false, hasPgvectorDriver: true };
}

/** Whether vectors will be in that database. */
export function containersUsePgvector(plan: Plan, database: DatabaseFacts): boolean {
  return usesPgvector(containerRequirement(plan, database));
}

/** Whether documents are embedded in each process, by a model that it loads. */
export function embedsLocally(settings: readonly ContainerSetting[]): boolean {
  return !settings.find(({ key }) => key === 'RAG_EMBEDDING_ENGINE')?.value;
}

/** Whether the value has a URL that only this machine can reach. */
export function namesThisMachine(value: string): boolean {
  return value.split(/[;,\s]+/).some((part) => {
    const host = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/@]*@)?(\[[^\]]*\]|[^/:?#]*)/i.exec(part)?.[1];
    return host !== undefined && isLoopback(host);
  });
}
