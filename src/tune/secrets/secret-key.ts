import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Settings } from '../../facts/types.ts';

/** Name of the file in which `open-webui serve` keeps the key that it drew: in the folder where it was started. */
const OPEN_WEBUI_KEY_FILE = '.webui_secret_key';

/** Bytes of a key that we draw, as many as Open WebUI's own start script takes twice. */
const KEY_BYTES = 32;

export interface SecretKey {
  value: string;
  /** How it was come by, for the report. */
  reason: string;
  /** The file that it was read from. */
  path?: string;
}

/**
 * A WEBUI_SECRET_KEY for an installation that has none set: the one it has used so far if that can be found, because a
 * new one signs every user out; else a new one. Undefined where the settings have one. Throws TuneError for an empty one.
 */
export function chooseSecretKey(settings: Settings, folders: readonly string[]): SecretKey | undefined {
  const set = settings.get('WEBUI_SECRET_KEY');
  if (set?.value) return undefined;
  if (set && settings.get('WEBUI_AUTH')?.value.toLowerCase() !== 'false') {
    // An empty one counts as set, for the workers as for us: none that we keep would ever reach them.
    throw new TuneError(`WEBUI_SECRET_KEY is empty (${set.source})`, EXIT.settings, [
      'take it away, and webui-tune keeps one for you; or give it a long random value',
    ]);
  }
  // The older name, which Open WebUI reads only where the newer one is missing.
  const older = settings.get('WEBUI_JWT_SECRET_KEY')?.value;
  if (older) return { value: older, reason: 'the value of WEBUI_JWT_SECRET_KEY, its older name' };
  for (const folder of folders) {
    const path = join(folder, OPEN_WEBUI_KEY_FILE);
    const value = readKey(path);
    if (value)
      return { value, reason: `the key that Open WebUI keeps in ${path}: nobody is signed out`, path };
  }
  return { value: randomBytes(KEY_BYTES).toString('base64url'), reason: 'drawn once, kept for ever' };
}

function readKey(path: string): string | undefined {
  try {
    // To the letter, as Open WebUI does it: a trailing newline is part of the key.
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
