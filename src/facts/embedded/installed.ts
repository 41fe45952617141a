import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { EXIT, systemCode, TuneError } from '../../base/errors.ts';
import { LOOPBACK } from '../../base/io/address.ts';
import { writeAtomically } from '../../base/io/write.ts';
import { databaseUrl, parseDatabaseUrl } from '../services/urls.ts';
import type { Settings } from '../types.ts';
import { servicePaths } from './folder.ts';

const State = z.object({
  /** As root: the ordinary account that the services run as. */
  account: z.object({ user: z.string(), group: z.string() }).optional(),
  /** Whether `up` has made that account, for this installation or for one that is gone. */
  madeAccount: z.boolean().optional(),
  postgresPort: z.int(),
  valkeyPort: z.int(),
});

/** What was chosen when the embedded services were set up. Their ports and their account never change. */
export type Installed = z.infer<typeof State>;
/** Role and database of Open WebUI. */
export const DATABASE = 'openwebui';

/** Undefined: none were set up. Throws TuneError for a file that is not ours. */
export function readInstalled(services: string): Installed | undefined {
  const { state } = servicePaths(services);
  let text: string;
  try {
    text = readFileSync(state, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new TuneError(`${state} cannot be read: ${systemCode(error)}`, EXIT.output);
  }
  try {
    return State.parse(JSON.parse(text));
  } catch {
    throw new TuneError(`${state} does not say how the embedded services were set up`, EXIT.settings, [
      'put it back from a backup; the data beside it is untouched',
    ]);
  }
}

export function writeInstalled(services: string, installed: Installed): void {
  writeAtomically(servicePaths(services).state, `${JSON.stringify(installed, undefined, 2)}\n`, 0o600);
}

export interface EmbeddedUse {
  database: boolean;
  broker: boolean;
}

/** Which of the embedded services Open WebUI uses: those whose ports its URLs name. */
export function embeddedInUse(settings: Settings, { postgresPort, valkeyPort }: Installed): EmbeddedUse {
  const database = parseDatabaseUrl(databaseUrl(settings) ?? '');
  const redis = settings.get('REDIS_URL')?.value ?? '';
  return {
    database: database?.host === LOOPBACK && database.port === postgresPort,
    broker: URL.canParse(redis) && new URL(redis).host === `${LOOPBACK}:${valkeyPort}`,
  };
}
