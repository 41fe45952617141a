import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { EXIT, TuneError } from '../errors.ts';
import type { ProbedEnvFile } from '../openwebui/probe.ts';

/** Looked for beside the ecosystem file, then in the working directory. */
export const ENV_FILE_NAME = 'open-webui.env';

/** Absolute path of the user's env file; undefined: there is none. Throws TuneError if a named one is missing. */
export function findEnvFile(
  named: string | undefined,
  out: string | undefined,
  cwd: string,
): string | undefined {
  if (named !== undefined) {
    const path = resolve(cwd, named);
    if (existsSync(path)) return path;
    throw new TuneError(`--env-file ${named}: there is no ${path}`, EXIT.settings);
  }
  const folders = out === undefined ? [cwd] : [dirname(resolve(cwd, out)), cwd];
  return folders.map((folder) => join(folder, ENV_FILE_NAME)).find((path) => existsSync(path));
}

/** Its settings. Throws TuneError with the file and the line of what cannot be read; never with a value. */
export function valuesOf(path: string, parsed: ProbedEnvFile): Record<string, string> {
  if ('values' in parsed) return parsed.values;
  const where = parsed.line === undefined ? path : `${path}, line ${parsed.line}`;
  throw new TuneError(`${where}: ${parsed.error}`, EXIT.settings);
}
