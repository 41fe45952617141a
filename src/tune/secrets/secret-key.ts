import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Settings } from '../../facts/types.ts';

/** File in which `open-webui serve` saves the key that it has generated, in the folder where it was started. */
const OPEN_WEBUI_KEY_FILE = '.webui_secret_key';

/** Bytes of a key that we generate: HS256, which signs the tokens, needs 256 bits (RFC 7518, 3.2). */
const KEY_BYTES = 32;

export interface SecretKey {
  value: string;
  /** Where the key came from, for the report. */
  reason: string;
  /** The file that it was read from. */
  path?: string;
}

/**
 * A WEBUI_SECRET_KEY for an installation without that setting: the key that it has used so far if that can be found,
 * because a new one signs every user out; otherwise a new key. Undefined if the settings have one. Throws TuneError for an
 * empty one.
 */
export function chooseSecretKey(settings: Settings, folders: readonly string[]): SecretKey | undefined {
  const set = settings.get('WEBUI_SECRET_KEY');
  if (set?.value) return undefined;
  if (set && settings.get('WEBUI_AUTH')?.value.toLowerCase() !== 'false') {
    // An empty key counts as set: a key that we save would not reach the workers.
    throw new TuneError(`WEBUI_SECRET_KEY is empty (${set.source})`, EXIT.settings, [
      'remove it, and webui-tune generates and saves a key; or set it to a long random value',
    ]);
  }
  // The older name, which Open WebUI reads only if the newer one is missing.
  const older = settings.get('WEBUI_JWT_SECRET_KEY')?.value;
  if (older) return { value: older, reason: 'the value of WEBUI_JWT_SECRET_KEY, its older name' };
  for (const folder of folders) {
    const path = join(folder, OPEN_WEBUI_KEY_FILE);
    const value = readKey(path);
    if (value)
      return {
        value,
        reason: `the key that Open WebUI has saved in ${path}; everybody stays signed in`,
        path,
      };
  }
  return { value: randomBytes(KEY_BYTES).toString('base64url'), reason: 'generated once, then kept' };
}

function readKey(path: string): string | undefined {
  try {
    // Unchanged, as Open WebUI reads it: a trailing newline is part of the key.
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
