import type { Requirement } from '../services.ts';
import type { Compression } from '../types.ts';

/** What the groups of settings decide by. */
export interface SettingsContext extends Requirement {
  workers: number;
  compression: Compression;
  /** Bytes of private memory at which a worker is replaced. */
  workerLimit: number;
}

/** A setting that we would set, and why; whatever the user has set is left alone by the caller. */
export interface Computed {
  key: string;
  value: string;
  reason: string;
}

/** One group of Open WebUI's settings. */
export interface SettingsGroup {
  /** All that the group may set. */
  keys: readonly string[];
  recommend(context: SettingsContext): Computed[];
}
