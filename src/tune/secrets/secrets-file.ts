import { chmodSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import { withLock } from '../../base/io/lock.ts';
import { statOrUndefined } from '../../base/io/stat.ts';
import { makePrivateFolder, writeAtomically } from '../../base/io/write.ts';
import { dotenvLine, readDotenvLines } from './dotenv.ts';

/** Name of our file in the data folder. */
export const SECRETS_NAME = '.webui-tune.env';

const PRIVATE = 0o600;

const HEADER = `# Secrets that webui-tune keeps for Open WebUI, read at every start. Private: nobody else may read this file.
# Do not lose WEBUI_SECRET_KEY: with another one, every user has to sign in again and stored tokens cannot be read.
`;

export interface SecretsToKeep {
  /** Settings that replace what the file has. */
  settings: ReadonlyMap<string, string>;
  /** Settings that are written only if the file does not have them: a generated key never changes. */
  once: ReadonlyMap<string, string>;
}

/**
 * Adds secrets to the private file; other lines stay as they are. A lock keeps two runs from overwriting each other. Returns
 * the names that were written. Throws TuneError if the file cannot be written.
 */
export async function keepSecrets(path: string, { settings, once }: SecretsToKeep): Promise<string[]> {
  if (settings.size === 0 && once.size === 0) return [];
  try {
    makePrivateFolder(dirname(path));
    return await withLock(`${path}.lock`, () => {
      const before = readOrUndefined(path);
      const lines = (before ?? HEADER).split(/(?<=\n)/);
      const has = (name: string) => lines.some((line) => line.startsWith(`${name}=`));
      const entries = [...settings, ...[...once].filter(([name]) => !has(name))];
      const written = entries.filter(([name, value]) => !lines.includes(dotenvLine(name, value)));
      if (written.length === 0) return [];
      const names = new Set(written.map(([name]) => name));
      // Our values never span lines (dotenv.ts): leaving out one line removes one value.
      const kept = lines.filter((line) => !names.has(line.split('=', 1)[0] ?? ''));
      const text = kept.join('');
      const gap = text === '' || text.endsWith('\n') ? '' : '\n';
      const added = written.map(([name, value]) => dotenvLine(name, value)).join('');
      writeAtomically(path, text + gap + added, PRIVATE);
      return [...names];
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TuneError(`the secrets cannot be saved in ${path}: ${reason}`, EXIT.output);
  }
}

/** What the file holds; nothing where it is missing. */
export function readSecrets(path: string): Map<string, string> {
  return readDotenvLines(readOrUndefined(path) ?? '');
}

/** Removes the lines of these settings whose value contains the text given for the setting. */
export function dropSecrets(path: string, texts: Readonly<Record<string, string>>): void {
  const before = readOrUndefined(path);
  if (before === undefined) return;
  const isDropped = (line: string) =>
    Object.entries(texts).some(([name, text]) => line.startsWith(`${name}=`) && line.includes(text));
  const after = before
    .split(/(?<=\n)/)
    .filter((line) => !isDropped(line))
    .join('');
  if (after !== before) writeAtomically(path, after, PRIVATE);
}

/** Removes other users' access to our file; true if they had any. */
export function makePrivate(path: string): boolean {
  if (!isOpenToOthers(path)) return false;
  chmodSync(path, PRIVATE);
  return true;
}

/** Whether the file exists and its group or others may read or write it. */
export function isOpenToOthers(path: string): boolean {
  const mode = statOrUndefined(path)?.mode ?? 0;
  return process.platform !== 'win32' && (mode & 0o077) !== 0;
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
