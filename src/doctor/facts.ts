import type { TuneError } from '../base/errors.ts';
import type { MachineFacts } from '../base/machine/facts.ts';
import type { FoundOpenWebui } from '../facts/openwebui/find.ts';
import type { DatabaseFacts, RedisFacts, ServiceFacts } from '../facts/types.ts';
import type { Plan } from '../plan/types.ts';
import type { Installation, Viewpoint } from '../tune/installation.ts';
import type { ClusterFacts } from './facts/cluster.ts';
import type { CrossingFacts } from './facts/crossing.ts';
import type { AskedEngine } from './facts/documents.ts';
import type { EcosystemFile } from './facts/ecosystem.ts';
import type { Expected } from './facts/expected.ts';
import type { FileFacts } from './facts/files.ts';
import type { ModelsFacts } from './facts/models.ts';
import type { Pm2Facts } from './facts/pm2.ts';
import type { ProxyFacts } from './facts/proxy.ts';
import type { BrokerFacts } from './facts/redis.ts';
import type { Requirement } from './facts/requirements.ts';
import type { SchemaFacts } from './facts/schema.ts';
import type { TrialFacts } from './facts/trials.ts';

/** Everything that checks decide by. Each is read once, before the first check runs. */
export interface Facts {
  /** The ecosystem file, as PM2 would load it. */
  ecosystem: EcosystemFile;
  /** From where we look. */
  viewpoint: Viewpoint;
  /** Whether `webui-tune up` has made this installation. */
  isOfUp: boolean;
  interpreter: FoundOpenWebui;
  /** What the installed Open WebUI expects of its database. */
  expected: Expected;
  installation: Installation;
  /** Settings as the workers see them: the user's, then those of the ecosystem file, or of the plan. */
  effective: ReadonlyMap<string, string>;
  /** How many workers there are to be; `wanted`: as many as the cores would take. Without a file, both are the plan's. */
  workers: { count: number; wanted: number; from: 'file' | 'plan' };
  machine: MachineFacts;
  database: DatabaseFacts;
  redis: RedisFacts;
  chroma: NonNullable<ServiceFacts['chroma']>;
  services: ServiceFacts;
  /** What the broker that answers says about itself, and does. */
  broker: BrokerFacts;
  /** What is in Open WebUI's database. */
  schema: SchemaFacts;
  /** What would be planned today. */
  plan: Plan;
  /** Where the workers listen; `taken`: by whom, in words, where that is somebody else. */
  port: { number: number; taken?: string };
  files: FileFacts;
  pm2: Pm2Facts;
  /** The processes of the running cluster. */
  cluster: ClusterFacts;
  /** What came of messages that were sent through the broker. */
  crossing: CrossingFacts;
  /** What came of embedding a sentence and reading a page in each worker. */
  trials: TrialFacts;
  /** Models that Open WebUI runs itself, and whether they are here or can be fetched. */
  models: ModelsFacts;
  /** What tools and functions ask for, and whether the interpreter has it. */
  requirements: readonly Requirement[];
  /** Programs elsewhere that documents go through. */
  engines: readonly AskedEngine[];
  /** The address that people use, asked from outside. */
  proxy: ProxyFacts;
}

export type FactName = keyof Facts;

/** A fact, the error in its place, or the reason why there is none to be had. */
export type Outcome<T> =
  | { state: 'known'; value: T }
  | { state: 'failed'; error: TuneError }
  | { state: 'absent'; reason: string };

export type Outcomes = { readonly [K in FactName]: Outcome<Facts[K]> };

export const known = <T>(value: T): Outcome<T> => ({ state: 'known', value });
export const absent = (reason: string): Outcome<never> => ({ state: 'absent', reason });
