import type { Settings } from '../../facts/types.ts';
import { chooseSecretKey } from './secret-key.ts';
import { isOpenToOthers, type SecretsToKeep } from './secrets-file.ts';

export interface Keeping extends SecretsToKeep {
  /** What to tell, by name only. */
  notes: string[];
  warnings: string[];
}

/**
 * Secrets that must go into the private file, because nothing else would bring them to the workers: those that only the
 * shell has, and a WEBUI_SECRET_KEY where there is none. `folders` may hold a key that Open WebUI has drawn.
 */
export function chooseSecretsToKeep(
  settings: Settings,
  envFile: Readonly<Record<string, string>>,
  folders: readonly string[],
  secretsFile: string,
): Keeping {
  const fromShell = [...settings].filter(([, { source, secret }]) => secret && source === 'environment');
  const differing = fromShell.filter(([name, { value }]) => (envFile[name] ?? value) !== value);
  const keep = fromShell.filter(([name]) => envFile[name] === undefined);
  const key = chooseSecretKey(settings, folders);
  return {
    settings: new Map(keep.map(([name, { value }]) => [name, value])),
    once: new Map(key ? [['WEBUI_SECRET_KEY', key.value]] : []),
    notes: [
      ...(keep.length > 0
        ? [`secrets from your shell are kept in ${secretsFile}: ${keep.map(([name]) => name).join(', ')}`]
        : []),
      ...(key ? [`WEBUI_SECRET_KEY is kept in ${secretsFile}: ${key.reason}`] : []),
    ],
    warnings: [
      ...differing.map(
        ([name]) =>
          `${name} is not the same in your shell and in the env file: the env file’s is used ` +
          'unless PM2 is started from a shell that has the other',
      ),
      ...(key?.path !== undefined && isOpenToOthers(key.path)
        ? [`others can read ${key.path}, with which they can sign in as anybody: chmod 600 ${key.path}`]
        : []),
    ],
  };
}
