import { EXIT, TuneError } from '../base/errors.ts';
import type { Format } from '../render/formats.ts';
import type { TuneOptions } from '../tune/options.ts';

/** Throws TuneError for options of Kubernetes with a file for PM2. */
export function requireNoHelmOptions({ replicas, storageClass }: EcosystemOptions): void {
  const flag =
    replicas !== undefined ? '--replicas' : storageClass !== undefined ? '--storage-class' : undefined;
  if (flag === undefined) return;
  throw new TuneError(`${flag} is for --format helm`, EXIT.usage, [
    flag === '--replicas' ? 'on this machine: --workers N' : 'leave it away',
  ]);
}

export interface EcosystemOptions extends TuneOptions {
  force?: boolean;
  format?: Format;
  /** For Kubernetes only. */
  replicas?: number;
  storageClass?: string;
  /** The plan instead of the file. */
  json?: boolean;
  /** One number or setting instead of the file. */
  explain?: string;
  /** The apps as JSON, for the configuration file that PM2 is loading (size-apps.ts). */
  forPm2?: boolean;
}
