import { join } from 'node:path';
import { textOf } from '../../base/io/read.ts';
import { searchPostgres, searchRedis } from '../../facts/services/search.ts';
import { viewpointOf } from '../../tune/installation.ts';
import { keepSecrets, SECRETS_NAME } from '../../tune/secrets/secrets-file.ts';
import type { Setup } from './setup.ts';
import { hasSqliteData } from './wanted.ts';

/* Services that run on this machine although no setting names them. They are used only if an option says so. */

export interface FoundServices {
  /** Host and port. */
  postgres?: string;
  /** A URL. */
  redis?: string;
}

/** Looks at the usual ports of 127.0.0.1, for each of the two services that no setting names. */
export async function findServices(setup: Setup): Promise<FoundServices> {
  const { database, broker } = await notSet(setup);
  const [postgres, redis] = await Promise.all([
    database ? searchPostgres() : undefined,
    broker ? searchRedis() : undefined,
  ]);
  return { ...(postgres !== undefined && { postgres }), ...(redis !== undefined && { redis }) };
}

/** A line for each service that was found, with the option that would use it. */
export function foundLines({ postgres, redis }: FoundServices, useFound: boolean): string[] {
  return [
    ...(postgres === undefined
      ? []
      : [
          `found a PostgreSQL at ${postgres}, not used; to use it: DATABASE_URL=postgresql://user:password@${postgres}/database`,
        ]),
    ...(redis === undefined
      ? []
      : [
          useFound
            ? `the Redis at ${redis} will be used (--use-found)`
            : `found a Redis at ${redis}, not used; if no other Open WebUI uses it: --use-found`,
        ]),
  ];
}

/**
 * Makes a Redis that was found the user's setting. Open WebUI has to be installed, because its plan knows where secrets
 * are kept.
 */
export async function useFoundRedis(setup: Setup, redis: string): Promise<void> {
  const { plan } = await setup.tuned();
  await keepSecrets(plan.places.secretsFile, {
    settings: new Map([['REDIS_URL', redis]]),
    once: new Map(),
  });
  setup.changed();
}

/** Which of the two nobody has set, and no data would be lost from sight by setting. */
async function notSet(setup: Setup): Promise<{ database: boolean; broker: boolean }> {
  if (setup.hasOpenWebui) {
    const { plan } = await setup.tuned();
    const wanted = setup.wanted(plan);
    const { database, redis } = plan.services;
    return {
      database: wanted.database && database.kind === 'sqlite',
      broker: wanted.broker && redis.kind === 'none',
    };
  }
  // Before Open WebUI is installed, the files cannot be read as it will read them. A name in one counts as set.
  const { env, envFilePath, defaultDir } = viewpointOf({
    ...setup.remembered.options,
    ...setup.surroundings,
    out: setup.ecosystemFile,
  });
  const texts = `${envFilePath ? textOf(envFilePath) : ''}\n${textOf(join(defaultDir, SECRETS_NAME))}`;
  const isSet = (...names: string[]) =>
    names.some((name) => env[name] || new RegExp(`^\\s*(?:export\\s+)?${name}\\s*=`, 'm').test(texts));
  if (hasSqliteData(defaultDir)) return { database: false, broker: false };
  return { database: !isSet('DATABASE_URL', 'DATABASE_TYPE'), broker: !isSet('REDIS_URL') };
}
