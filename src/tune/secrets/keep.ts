import type { Settings } from '../../facts/types.ts';
import { chooseSecretKey } from './secret-key.ts';
import { isOpenToOthers, type SecretsToKeep } from './secrets-file.ts';

export interface Keeping extends SecretsToKeep {
  /** For the user; they hold names only. */
  notes: string[];
  warnings: string[];
}

/**
 * Secrets that must go into the private file, because nothing else would bring them to the workers: those that only the
 * shell has, and a WEBUI_SECRET_KEY if none is set. `folders` may hold a key that Open WebUI has generated.
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
        ? [`secrets of your shell are saved in ${secretsFile}: ${keep.map(([name]) => name).join(', ')}`]
        : []),
      ...(key ? [`WEBUI_SECRET_KEY is saved in ${secretsFile}: ${key.reason}`] : []),
    ],
    warnings: [
      ...differing.map(
        ([name]) =>
          `${name} differs between your shell and the env file: the env file wins, ` +
          'unless PM2 is started from a shell that has the other value',
      ),
      ...(key?.path !== undefined && isOpenToOthers(key.path)
        ? [`other users can read ${key.path}, and with this key sign in as anybody: chmod 600 ${key.path}`]
        : []),
    ],
  };
}
