import { EXIT, TuneError } from '../base/errors.ts';
import type { Format } from '../render/formats.ts';
import type { TuneOptions } from '../tune/options.ts';

/** Throws TuneError if an option that only Kubernetes has is given for another format. */
export function requireNoHelmOptions({ replicas, storageClass }: EcosystemOptions): void {
  const flag =
    replicas !== undefined ? '--replicas' : storageClass !== undefined ? '--storage-class' : undefined;
  if (flag === undefined) return;
  throw new TuneError(`${flag} is for --format helm`, EXIT.usage, [
    flag === '--replicas' ? 'on this machine: --workers N' : 'leave it out',
  ]);
}

export interface EcosystemOptions extends TuneOptions {
  force?: boolean;
  format?: Format;
  /** For Kubernetes only. */
  replicas?: number;
  storageClass?: string;
  /** Print the plan instead of the file. */
  json?: boolean;
  /** Print this number or setting instead of the file. */
  explain?: string;
  /** The apps as JSON, for the configuration file that PM2 is loading (size-apps.ts). */
  forPm2?: boolean;
}
