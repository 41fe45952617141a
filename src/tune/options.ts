import type { Environment } from '../base/io/environment.ts';
import type { PlanOptions } from '../plan/options.ts';

/** The flags (plan/options.ts), and options that only programs can give. */
export interface TuneOptions extends PlanOptions {
  /** Whether an app of the file rotates PM2's logs, so that they do not fill the disk. */
  rotateLogs?: boolean;
  /** Path of the ecosystem file to write; the env file is looked for in its folder. */
  out?: string;
  /** For tests; default: those of this process. */
  cwd?: string;
  env?: Environment;
}
