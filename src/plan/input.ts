import type { MachineFacts } from '../base/machine/facts.ts';
import type { DataDirDecision } from '../facts/settings/data-dir.ts';
import type { EmbeddedService, ServiceFacts, Settings, Source } from '../facts/types.ts';
import type { RuntimeChoice } from '../runtime/contract.ts';
import type { Measurement } from './measurement.ts';
import type { PresetOptions } from './options.ts';
import type { Places } from './places.ts';
import type { Preset } from './preset.ts';

/** What the user asked for, or the default. */
export interface Requested<T> {
  value: T;
  /** In the user's words: `--workers 4`, `WEB_CONCURRENCY=4`. */
  from: string;
  source: Source;
}

/** `value`: the most that there may be. */
export interface RequestedWorkers extends Requested<number> {
  /** Of a range: the least. Undefined: the number is fixed. */
  least?: number;
}

/** For undefined options, the preset decides. */
export interface PlanInput extends Partial<PresetOptions> {
  machine: MachineFacts;
  preset: Preset;
  services: ServiceFacts;
  settings: Settings;
  openWebui: {
    version: string;
    python: string;
    drivers: Readonly<Record<string, boolean>>;
    /** Version of torch with its build (Conditions in measurement.ts); undefined: unknown. */
    torch?: string;
  };
  places: Places;
  dataDir: DataDirDecision;
  /** Whether the data folder holds documents embedded into the local Chroma store. */
  hasLocalVectors: boolean;
  workers?: RequestedWorkers;
  /** Bytes that the whole tree may use. */
  memory?: Requested<number>;
  host: Requested<string>;
  port: Requested<number>;
  /** Undefined: the platform decides. */
  runtime?: RuntimeChoice;
  /** Port on 127.0.0.1 that metrics are served on; undefined: none are. */
  metricsPort?: number;
  /** Measurements of this machine, and the digest that shows whether they still hold; undefined: use the built-in figures. */
  measured?: { kept: readonly Measurement[]; settings: string };
  /** Services that run as apps of the same file. */
  embedded?: readonly EmbeddedService[];
  /** Warnings from reading the facts; printed with the plan's own. */
  warnings?: readonly string[];
}
