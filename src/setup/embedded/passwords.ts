import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import { LOOPBACK } from '../../base/io/address.ts';
import { writeAtomically } from '../../base/io/write.ts';
import { DATABASE, type Installed } from '../../facts/embedded/installed.ts';

const Passwords = z.object({ superuser: z.string(), openwebui: z.string(), valkey: z.string() });
export type Passwords = z.infer<typeof Passwords>;

/** Bytes of each. */
const LENGTH = 24;

/** Those in the file, or new ones that are kept there (0600). Throws TuneError. */
export function keepPasswords(path: string): Passwords {
  const kept = readPasswords(path);
  if (kept) return kept;
  // base64url: nothing in it needs quoting in a URL, a configuration file or SQL.
  const draw = () => randomBytes(LENGTH).toString('base64url');
  const passwords = { superuser: draw(), openwebui: draw(), valkey: draw() };
  writeAtomically(path, `${JSON.stringify(passwords, undefined, 2)}\n`, 0o600);
  return passwords;
}

/** Undefined: there are none yet. Throws TuneError. */
export function readPasswords(path: string): Passwords | undefined {
  try {
    return Passwords.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new TuneError(`${path} does not hold the passwords of the embedded services`, EXIT.settings, [
      'restore it from a backup: without it the data beside it cannot be read',
    ]);
  }
}

/** Settings with which Open WebUI finds the embedded services. */
export function embeddedUrls(
  { openwebui, valkey }: Passwords,
  { postgresPort, valkeyPort }: Installed,
): { DATABASE_URL: string; REDIS_URL: string } {
  return {
    DATABASE_URL: `postgresql://${DATABASE}:${openwebui}@${LOOPBACK}:${postgresPort}/${DATABASE}`,
    REDIS_URL: `redis://:${valkey}@${LOOPBACK}:${valkeyPort}/0`,
  };
}
