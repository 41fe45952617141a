import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
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

/** Node's parser is close to python-dotenv's, and close is enough where nothing is started. */
export function readEnvFile(path: string): Record<string, string> {
  try {
    return { ...parseEnv(readFileSync(path, 'utf8')) } as Record<string, string>;
  } catch (error) {
    throw new TuneError(`--env-file ${path} cannot be read: ${systemCode(error)}`, EXIT.settings);
  }
}
