import type { MachineFacts } from '../base/machine/facts.ts';
import type { DataDirDecision } from '../facts/settings/data-dir.ts';
import type { EmbeddedService, ServiceFacts, Settings, Source } from '../facts/types.ts';
import type { PreloadChoice, RuntimeChoice } from '../runtime/contract.ts';
import type { Measurement } from './measurement.ts';
import type { Places, Preset } from './types.ts';

/** What the user asked for, or the default in its place. */
export interface Wish<T> {
  value: T;
  /** In the user's words: `--workers 4`, `WEB_CONCURRENCY=4`. */
  from: string;
  source: Source;
}

export interface PlanInput {
  machine: MachineFacts;
  preset: Preset;
  services: ServiceFacts;
  settings: Settings;
  openWebui: {
    version: string;
    python: string;
    drivers: Readonly<Record<string, boolean>>;
    /** Version of torch with its build (Conditions in measurement.ts); undefined: nobody knows. */
    torch?: string;
  };
  places: Places;
  dataDir: DataDirDecision;
  /** Whether the data folder holds documents embedded into the local Chroma store. */
  hasLocalVectors: boolean;
  workers?: Wish<number>;
  /** Bytes that the whole tree may use. */
  memory?: Wish<number>;
  host: Wish<string>;
  port: Wish<number>;
  preload?: PreloadChoice;
  /** False: `--no-static-cache`. Undefined: as the preset says. */
  staticCache?: false;
  /** False: `--no-shortcuts`. Undefined: as the preset says. */
  shortcuts?: false;
  /** Undefined: what the platform can do. */
  runtime?: RuntimeChoice;
  /** Where metrics are to be served, on 127.0.0.1; undefined: nowhere. */
  metricsPort?: number;
  /** What was measured or observed on this machine, and what tells whether it still holds; undefined: the built-in figures. */
  measured?: { kept: readonly Measurement[]; settings: string };
  /** Services that run as apps of the same file. */
  embedded?: readonly EmbeddedService[];
  /** What was noticed while reading: printed with the plan's own. */
  warnings?: readonly string[];
}
