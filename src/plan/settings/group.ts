import type { Preset } from '../preset.ts';
import type { Requirement } from '../services.ts';

/** What the groups of settings base their decisions on. */
export interface SettingsContext extends Requirement {
  workers: number;
  /** That one uvicorn starts; 0 where they are forked. */
  uvicornWorkers: number;
  compression: Preset['compression'];
  /** Bytes of private memory at which a worker is replaced. */
  workerLimit: number;
}

/** A setting that we would set, and why; the caller leaves the user's settings alone. */
export interface Computed {
  key: string;
  value: string;
  reason: string;
}

/** One group of Open WebUI's settings. */
export interface SettingsGroup {
  /** All settings that the group may set. */
  keys: readonly string[];
  recommend(context: SettingsContext): Computed[];
}
