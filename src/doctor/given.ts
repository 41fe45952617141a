import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../base/io/environment.ts';
import { dataHome } from '../base/io/folders.ts';
import { USUAL_NAMES } from '../render/formats.ts';
import type { TuneOptions } from '../tune/options.ts';
import { findEcosystemFile } from './read/ecosystem.ts';

export interface DoctorOptions extends TuneOptions {
  /** The ecosystem file; undefined: the one here, or the one that `up` has written. */
  file?: string;
  /** Seconds that an answer through the proxy is to be silent for; undefined: that is not tried. */
  silence?: number;
}

/** What every fact starts from. */
export interface Given {
  options: TuneOptions;
  /** The user's environment and home. */
  shell: Environment;
  home: string;
  /** Path of the ecosystem file; undefined: there is none. */
  path: string | undefined;
  /** Path of the file that `webui-tune up` writes. */
  ofUp: string;
  /** Seconds; 0: not tried. */
  silence: number;
}

/** Throws TuneError for an ecosystem file that was named and is not there. */
export function givenBy({ file, silence = 0, ...options }: DoctorOptions): Given {
  const shell = options.env ?? process.env;
  const home = shell.HOME || homedir();
  const ofUp = join(dataHome(shell, home), USUAL_NAMES.js);
  const path = findEcosystemFile(file, options.cwd ?? process.cwd(), ofUp);
  return { options, shell, home, path, ofUp, silence };
}
