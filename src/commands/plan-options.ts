import { EXIT, TuneError } from '../base/errors.ts';
import type { PodsRequest } from '../plan/pods.ts';
import type { Format } from '../render/formats.ts';
import type { HelmOptions } from '../render/helm/options.ts';
import type { TuneOptions } from '../tune/options.ts';

/** Options that only Kubernetes has, with their flags. */
const HELM_FLAGS = {
  replicas: '--replicas',
  workersPerPod: '--workers-per-pod',
  storageClass: '--storage-class',
  toolsImage: '--tools-image',
  graceSeconds: '--grace-seconds',
} as const satisfies Partial<Record<keyof EcosystemOptions, string>>;

/** Throws TuneError if an option that only Kubernetes has is given for another format. */
export function requireNoHelmOptions(options: EcosystemOptions): void {
  for (const [name, flag] of Object.entries(HELM_FLAGS)) {
    if (options[name as keyof typeof HELM_FLAGS] === undefined) continue;
    throw new TuneError(`${flag} is for --format helm`, EXIT.usage, [
      name === 'replicas' || name === 'workersPerPod' ? 'on this machine: --workers N' : 'leave it out',
    ]);
  }
}

/** Those of Kubernetes are for --format helm only. */
export interface EcosystemOptions extends TuneOptions, PodsRequest, Omit<HelmOptions, 'host'> {
  force?: boolean;
  format?: Format;
  /** Print the plan instead of the file. */
  json?: boolean;
  /** Print this number or setting instead of the file. */
  explain?: string;
  /** The apps as JSON, for the configuration file that PM2 is loading (size-apps.ts). */
  forPm2?: boolean;
}
