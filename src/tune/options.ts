import type { Environment } from '../base/io/environment.ts';
import type { PreloadChoice, RuntimeChoice } from '../runtime/contract.ts';

/** What the flags say; undefined: nothing. */
export interface TuneOptions {
  workers?: number | 'auto';
  /** A size or a percentage, such as `2GiB` or `50%`. */
  memory?: string;
  /** Cores of another machine, or of a part of this one; 1.5 is a quota of one and a half. */
  cpus?: number;
  /** Folder with the proc/ and sys/ of another machine: then nothing is asked of this one, and nothing written. */
  root?: string;
  host?: string;
  port?: number;
  python?: string;
  envFile?: string;
  preset?: string;
  preload?: PreloadChoice;
  /** False: `--no-static-cache`. */
  staticCache?: boolean;
  /** False: `--no-shortcuts`. */
  shortcuts?: boolean;
  runtime?: RuntimeChoice;
  /** Port on 127.0.0.1 for metrics; `off` takes back what `up` remembers. */
  metrics?: number | 'off';
  /** Whether an app of the file is to keep PM2's logs from filling the disk. */
  rotateLogs?: boolean;
  /** Where the ecosystem file will be; its folder is where the env file is looked for. */
  out?: string;
  /** For tests; by default those of this process. */
  cwd?: string;
  env?: Environment;
}
