import { join } from 'node:path';
import { textOrUndefined } from '../../base/io/read.ts';
import { readDotenvLines } from '../../tune/secrets/dotenv.ts';
import { keepSecrets } from '../../tune/secrets/secrets-file.ts';
import { ENTRIES } from './archive.ts';

/** Where the installation finds its own services: never what those of another machine were. */
const OF_THE_MACHINE = /^(?:DATABASE_|REDIS_|WEBSOCKET_REDIS_|PGVECTOR_DB_URL)/;

/**
 * Keeps the secrets of an unpacked backup: its WEBUI_SECRET_KEY in any case, others where there are none of their name.
 * Returns the key. Throws TuneError.
 */
export async function restoreSecrets(unpacked: string, secretsFile: string): Promise<string | undefined> {
  const key = textOrUndefined(join(unpacked, ENTRIES.key));
  const secrets = readDotenvLines(textOrUndefined(join(unpacked, ENTRIES.secrets)) ?? '');
  const others = [...secrets].filter(([name]) => name !== 'WEBUI_SECRET_KEY' && !OF_THE_MACHINE.test(name));
  await keepSecrets(secretsFile, {
    settings: new Map(key === undefined ? [] : [['WEBUI_SECRET_KEY', key]]),
    once: new Map(others),
  });
  return key;
}
