import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import type { Environment } from '../../base/io/environment.ts';

/**
 * The environment without what Node put into it from `--env-file`: Node 20 takes that option as its own wherever it
 * stands in the command line, npx's included, and reads the file with rules that are not python-dotenv's. Such values
 * are the file's, not the shell's. `path` is the env file that was named on the command line.
 */
export function shellEnvironment(env: Environment, path: string): Environment {
  const fromNode = parseEnv(readTextOrNothing(path));
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => fromNode[name] !== value));
}

/** A file that cannot be read is reported where it is really parsed. */
function readTextOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
